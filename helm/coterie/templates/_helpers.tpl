{{/* Every name of an object: coterie.name with the part as its end.
     35 characters at most: KubeRay adds up to 28 of its own, and 63 is the limit. */}}
{{- define "coterie.base" -}}
{{- $name := default .Release.Name .Values.nameOverride -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "%s is no name for a Service, which begins with a letter and has small letters, digits and hyphens alone: set nameOverride to one" $name) -}}
{{- end -}}
{{- $name | trunc 35 | trimSuffix "-" -}}
{{- end }}

{{- define "coterie.name" -}}
{{- $context := index . 0 -}}{{- $part := index . 1 -}}
{{- $base := include "coterie.base" $context -}}
{{- /* A CronJob's name has 52 characters at most: Kubernetes adds 11 to it for each Job. */ -}}
{{- if eq $part "features-materialise" }}{{ $base = $base | trunc 31 | trimSuffix "-" }}{{ end -}}
{{- if $part }}{{ printf "%s-%s" $base $part }}{{ else }}{{ $base }}{{ end -}}
{{- end }}

{{/* Host and port of the API inside the cluster: our own Service, never the one that KubeRay makes. */}}
{{- define "coterie.apiAddress" -}}
{{- printf "%s.%s.svc:8000" (include "coterie.name" (list . "api")) .Release.Namespace -}}
{{- end }}

{{- define "coterie.appSecret" -}}
{{- default (include "coterie.name" (list . "app")) .Values.secrets.existingSecret -}}
{{- end }}

{{- define "coterie.keysSecret" -}}
{{- default (include "coterie.name" (list . "keys")) .Values.secrets.existingKeys -}}
{{- end }}

{{- define "coterie.redisSecret" -}}
{{- default (include "coterie.name" (list . "redis")) .Values.redis.existingSecret -}}
{{- end }}

{{- define "coterie.redisAddress" -}}
{{- if .Values.redis.enabled -}}
{{ include "coterie.name" (list . "redis") }}.{{ .Release.Namespace }}.svc:6379
{{- else -}}
{{ required "redis.enabled is false, so redis.address has to name another one (host:port)" .Values.redis.address }}
{{- end -}}
{{- end }}

{{- define "coterie.redisPort" -}}
{{- include "coterie.redisAddress" . | splitList ":" | last | default "6379" -}}
{{- end }}

{{/* Labels: those that select, then those that only tell. */}}
{{- define "coterie.selector" -}}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "coterie.labels" -}}
{{- $context := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ $context.Chart.Name }}
app.kubernetes.io/part-of: coterie
app.kubernetes.io/instance: {{ $context.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
{{- with $context.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of pods: no version among them, which would restart all for nothing. */}}
{{- define "coterie.podLabels" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/part-of: coterie
{{ include "coterie.selector" . }}
{{- with (index . 0).Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* metadata of an object: list context part component. */}}
{{- define "coterie.metadata" -}}
name: {{ include "coterie.name" (list (index . 0) (index . 1)) }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "coterie.labels" (list (index . 0) (index . 2)) | nindent 2 }}
{{- end }}

{{- define "coterie.image" -}}
{{- $images := (index . 0).Values.images -}}{{- $kind := index . 1 -}}
{{- $repository := index $images $kind -}}
{{- with $images.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end -}}
{{- $digest := index $images (printf "%sDigest" $kind) -}}
{{- if $digest -}}
{{ printf "%s@%s" $repository $digest }}
{{- else -}}
{{ printf "%s:%s" $repository (default (index . 0).Chart.AppVersion $images.tag) }}
{{- end -}}
{{- end }}

{{- define "coterie.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "coterie.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Containers give args and no command: the images' entry point (tini) passes signals on.

     What every pod has: list context component-of-service-account token?
     And a part of the values that may say of its own where it runs; where it does not, pods does.
     Service links would set COTERIE_PORT to a URL where a Service is called coterie. */}}
{{- define "coterie.pod" -}}
{{- $context := index . 0 -}}
{{- $part := dict -}}{{- if gt (len .) 3 }}{{ $part = index . 3 }}{{ end -}}
serviceAccountName: {{ include "coterie.name" (list $context (index . 1)) }}
automountServiceAccountToken: {{ index . 2 }}
enableServiceLinks: false
{{- with $context.Values.images.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "coterie.podSecurity" $context | nindent 2 }}
{{- with include "coterie.placement" (list $context $part) | fromYaml }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where a pod runs, as fields of its spec: list context part. */}}
{{- define "coterie.placement" -}}
{{- $part := index . 1 -}}
{{- $pods := default dict (index . 0).Values.pods -}}
{{- $found := dict -}}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" -}}
{{- with get $part $field | default (get $pods $field) }}{{ $_ := set $found $field . }}{{ end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}

{{/* How pods reach what is outside the cluster: by which proxy, and whose certificates they believe. No
     HTTP_PROXY: what is asked without TLS is within. */}}
{{- define "coterie.outsideEnv" -}}
{{- range $name, $value := include "coterie.outsideVariables" . | fromYaml }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "coterie.outsideVariables" -}}
{{- $found := dict -}}
{{- with default dict .Values.trust }}{{ if .configMap -}}
{{- $file := printf "/etc/coterie/trust/%s" .key -}}
{{- $_ := merge $found (dict "SSL_CERT_FILE" $file "REQUESTS_CA_BUNDLE" $file "AWS_CA_BUNDLE" $file) -}}
{{- end }}{{ end -}}
{{- with default dict .Values.proxy }}{{ if .https -}}
{{- $_ := merge $found (dict "HTTPS_PROXY" .https "NO_PROXY" (list ".svc" ".cluster.local" "localhost" "127.0.0.1" | concat .except | join ",")) -}}
{{- end }}{{ end -}}
{{- toYaml $found -}}
{{- end }}

{{- define "coterie.trustConfigMap" -}}
{{- dig "configMap" "" (default dict .Values.trust) -}}
{{- end }}

{{- define "coterie.trustMounts" -}}
{{- if include "coterie.trustConfigMap" . }}
- {name: trust, mountPath: /etc/coterie/trust, readOnly: true}
{{- end }}
{{- end }}

{{- define "coterie.trustVolumes" -}}
{{- with include "coterie.trustConfigMap" . }}
- name: trust
  configMap: {name: {{ . }}}
{{- end }}
{{- end }}

{{/* The object store and Redis, for whoever reads or writes them. */}}
{{- define "coterie.storeEnv" -}}
- name: AWS_DEFAULT_REGION
  value: {{ .Values.s3.region | quote }}
{{- with .Values.s3.endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
# Feast's registry has a variable of its own.
- name: FEAST_S3_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.s3.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_ACCESS_KEY_ID}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_SECRET_ACCESS_KEY}}
{{- end }}
# KubeRay refuses a RayService that sets REDIS_PASSWORD itself.
- name: FEAST_REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "coterie.redisSecret" . }}, key: redis-password}}
{{- include "coterie.outsideEnv" . }}
{{- end }}

{{- define "coterie.eventLog" -}}
{{ ternary "rediss://" "redis://" .Values.redis.tls }}{{ include "coterie.redisAddress" . }}/{{ .Values.redis.database }}
{{- end }}

{{/* For whoever opens the event log. */}}
{{- define "coterie.eventLogEnv" -}}
- name: COTERIE_EVENT_LOG_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "coterie.redisSecret" . }}, key: redis-password}}
{{- end }}

{{/* Where pipelines find the shop's tables, and so events that were exported. */}}
{{- define "coterie.eventExport" -}}
{{- default (default (include "coterie.beside" (list . "shop")) .Values.training.source) .Values.events.export -}}
{{- end }}

{{/* s3://bucket/coterie/releases -> s3://bucket/coterie/features; never out of the bucket. */}}
{{- define "coterie.beside" -}}
{{- $store := required "release.store has to name the store of releases, such as s3://bucket/releases" (index . 0).Values.release.store -}}
{{- printf "%s/%s" (regexReplaceAll "(^|[^/:])/[^/]*$" (trimSuffix "/" $store) "${1}") (index . 1) -}}
{{- end }}

{{- define "coterie.registry" -}}
{{- default (include "coterie.beside" (list . "features/registry.db")) .Values.features.registry -}}
{{- end }}

{{- define "coterie.offline" -}}
{{- default (include "coterie.beside" (list . "features")) .Values.features.offline | trimSuffix "/" -}}
{{- end }}

{{- define "coterie.status" -}}
{{- default (include "coterie.beside" (list . "status")) .Values.training.status -}}
{{- end }}

{{- define "coterie.checkpoints" -}}
{{- default (include "coterie.beside" (list . "checkpoints")) .Values.training.checkpoints -}}
{{- end }}

{{/* A rollout store is named after the RayService: coterie/cluster/store.py adds the ends of its objects. */}}
{{- define "coterie.rolloutStore" -}}
{{- printf "kubernetes://%s/%s" .Release.Namespace (include "coterie.base" .) -}}
{{- end }}

{{/* The port of a URL. */}}
{{- define "coterie.portOf" -}}
{{- $url := urlParse . -}}
{{- $port := splitList ":" $url.host | rest | first | default "" -}}
{{- default (ternary "80" "443" (eq $url.scheme "http")) $port -}}
{{- end }}

{{- define "coterie.s3Port" -}}
{{- include "coterie.portOf" (default "https://s3.amazonaws.com" .Values.s3.endpoint) -}}
{{- end }}

{{/* Seconds between two scrapes. */}}
{{- define "coterie.scrapeSeconds" -}}
{{- $interval := .Values.monitoring.interval -}}
{{- $number := regexFind "^[0-9]+" $interval | int -}}
{{- if hasSuffix "ms" $interval }}{{ div $number 1000 }}{{ else }}{{ mul $number (ternary 60 1 (hasSuffix "m" $interval)) }}{{ end -}}
{{- end }}

{{- define "coterie.monitored" -}}
{{- $known := (index . 0).Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (index . 1)) -}}
{{- $wanted := (index . 0).Values.monitoring.enabled | toString -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") $known) }}true{{ end -}}
{{- end }}

{{- define "coterie.keep" -}}
{{- if .Values.keepOnUninstall }}helm.sh/resource-policy: keep{{ end -}}
{{- end }}

{{/* A value of a secret that is there already, or a new one: list context secret-name key. */}}
{{- define "coterie.generated" -}}
{{- $found := lookup "v1" "Secret" (index . 0).Release.Namespace (index . 1) -}}
{{- $known := dig "data" (index . 2) "" ($found | default dict) -}}
{{- if $known }}{{ $known }}{{ else }}{{ randAlphaNum 32 | b64enc }}{{ end -}}
{{- end }}

{{/* The data of the secret of keys: what is there already, whoever changed it, or a first key, which
     opens all but rollouts. keys.json has its digest, as coterie/access/keys.py reads it. */}}
{{- define "coterie.keysData" -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "coterie.keysSecret" .) -}}
{{- $known := dig "data" dict ($found | default dict) -}}
{{- if hasKey $known "keys.json" }}
{{- toYaml $known }}
{{- else }}
{{- $id := randAlphaNum 8 | lower -}}
{{- $key := printf "ck_%s_%s" $id (randAlphaNum 43) -}}
{{- $scopes := list "lists:read" "events:write" "catalogue:write" "people:write" -}}
{{- $kept := dict "id" $id "name" "shop" "scopes" $scopes "digest" (sha256sum $key) "signing" (randAlphaNum 43) "created" (dateInZone "2006-01-02T15:04:05Z" now "UTC") -}}
keys.json: {{ dict "version" 1 "keys" (list $kept) | toPrettyJson | b64enc }}
shop-key: {{ $key | b64enc }}
{{- end }}
{{- end }}

{{/* What a person states, as coterie/cluster/stated.py reads it. A revision states anew what it states:
     so a person may insist on the same release again. */}}
{{- define "coterie.stated" -}}
{{- $r := .Values.release -}}
{{- dict "folder" $r.folder "digest" (include "coterie.releaseDigest" .) "force" $r.force "revision" .Release.Revision | toJson -}}
{{- end }}

{{- define "coterie.releaseDigest" -}}
{{- required "release.digest has to be the SHA-256 of the manifest of release.folder" .Values.release.digest -}}
{{- end }}

{{/* What replicas are told to serve, as JSON. The controller fills it in, and asks its rollout store; where
     there is none, values decide. */}}
{{- define "coterie.userConfig" -}}
{{- if .Values.rollouts.enabled -}}
null
{{- else -}}
{{- $stable := dict "digest" (include "coterie.releaseDigest" .) "folder" .Values.release.folder -}}
{{- dict "stable" $stable "canary" nil "weight" 0 "mirrored" false | toJson -}}
{{- end -}}
{{- end }}
