"""A Kubernetes that fits into a test: an API server in a thread, and what works behind it.

Real helm and kubectl talk to it. It does what our chart and our controller meet on a cluster, and
no more; what it does, it does as the real one. Where each behaviour is known from:

- Server-side apply (``fields``, ``lists``): who owns what, conflicts, and what becomes of fields
  that are no longer applied, stand in Kubernetes' documentation, "Server-Side Apply"; which lists
  are merged by which keys in the API's own OpenAPI (``x-kubernetes-list-type``), and, of KubeRay's
  kinds, in its chart's CRDs.
- Deletion (``store``): finalizers, grace periods and the three ways to treat dependents stand in
  Kubernetes' documentation, "Finalizers" and "Garbage Collection".
- Eviction (``eviction``): an owner without a ``scale`` subresource is treated as Kubernetes'
  documentation, "Specifying a Disruption Budget", says under "Arbitrary workloads and arbitrary
  selectors"; that RayClusters have none, as KubeRay's CRDs and a 1.36 server said.
- Admission (``admission``): the rules of ``restricted`` are those of Kubernetes' documentation,
  "Pod Security Standards"; as many of them as our pods have to do with.
- Accounts (``rbac``): a Role that says names lets nobody make or list objects, as Kubernetes'
  documentation, "Using RBAC Authorization", says.
- Pods (``nodes``, ``containers``): when probes are asked, and what their failures do, stands in
  Kubernetes' documentation, "Pod Lifecycle" and "Configure Liveness, Readiness and Startup Probes".
- Services (``endpoints``, ``traffic``): which pods are reached, those that end among them, stands
  in Kubernetes' documentation, "EndpointSlices".
- KubeRay (``kuberay``, ``rayclusters``, ``serve``): finalizers, the Job that cleans up Redis, when
  the Service is moved, and how Serve's state is told, are read from KubeRay 1.7's
  ``rayservice_controller.go`` and ``raycluster_controller.go``; how an object looks once Go wrote
  it (``golang``), from its ``types.go`` files.

How long things take (a worker to join, a release to load) is no one's truth: a test may set it.
"""
