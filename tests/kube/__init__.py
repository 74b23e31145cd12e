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
  selectors"; the message is what a 1.36 server said.
- Admission (``admission``): the rules and the wording of ``restricted`` are those of Kubernetes'
  documentation, "Pod Security Standards", and of what a 1.36 server said.
- Pods (``nodes``): when probes are asked and what their failures do stands in Kubernetes'
  documentation, "Pod Lifecycle" and "Configure Liveness, Readiness and Startup Probes".
- KubeRay (``kuberay``): finalizers, the Job that cleans up Redis, when the Service is moved and how
  Serve's state is told are read from KubeRay 1.7's ``rayservice_controller.go`` and
  ``raycluster_controller.go``; how an object looks once Go wrote it, from its ``types.go`` files.
"""
