{{/* What the schema cannot say: values that do not go together, each with what to set. */}}

{{- define "lbproxy.checks" -}}
{{- $stack := .Values.stack -}}
{{- if hasKey .Values.config "admin" -}}
{{- fail "config.admin is set by the chart: probes ask it on port 9901, and its token is the key admin-token of the Secret. Remove it" -}}
{{- end -}}
{{- $telemetry := .Values.config.telemetry | default dict -}}
{{- if dig "journal" "path" "" $telemetry -}}
{{- fail "config.telemetry.journal.path is set by the chart to the volume of journal.keep. Remove it" -}}
{{- end -}}
{{- if and (ne $stack.mode "none") $telemetry.elasticsearch -}}
{{- range $key := list "urls" "username" "password" "password_file" "api_key" "api_key_file" "bearer" "bearer_file" "dashboards" -}}
{{- if hasKey $telemetry.elasticsearch $key -}}
{{- fail (printf "config.telemetry.elasticsearch.%s is set by the chart. Remove it and set stack.external, or set stack.mode=none and say everything in config" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq $stack.mode "none") $telemetry.elasticsearch (not (dig "elasticsearch" "urls" "" $telemetry)) -}}
{{- fail "config.telemetry.elasticsearch has no urls. Set them, or set stack.mode=external and stack.external.urls" -}}
{{- end -}}
{{- if and .Values.objectives (dig "files" "" (.Values.config.slo | default dict)) -}}
{{- fail "config.slo.files and objectives both name objectives. Keep one of them" -}}
{{- end -}}
{{- range $name, $_ := .Values.objectives -}}
{{- if not (regexMatch "^[A-Za-z0-9._-]+[.]yaml$" $name) }}{{ fail (printf "objectives.%s is no file of objectives. Set a name of letters, digits, '.', '-' and '_' that ends in .yaml" $name) }}{{ end -}}
{{- end -}}
{{- if eq $stack.mode "external" -}}
{{- if not $stack.external.urls }}{{ fail "stack.mode is external: set stack.external.urls, such as [https://search:9200]" }}{{ end -}}
{{- if and (ne $stack.external.auth "none") (not .Values.secrets.existingSecret) -}}
{{- fail (printf "stack.mode is external, and only you have its credentials: make a Secret with the keys %s and set secrets.existingSecret to its name; or set stack.external.auth=none" (include "lbproxy.secretKeys" . | fromJsonArray | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- if eq $stack.mode "eck" -}}
{{- if ne $stack.product "elasticsearch" }}{{ fail "stack.mode=eck runs Elasticsearch alone: set stack.product=elasticsearch, or stack.mode=bundled for OpenSearch" }}{{ end -}}
{{- if gt (len (include "lbproxy.fullname" .)) 36 }}{{ fail "Elastic's operator takes names of up to 36 characters: set fullnameOverride" }}{{ end -}}
{{- if not (.Capabilities.APIVersions.Has "elasticsearch.k8s.elastic.co/v1") -}}
{{- fail "stack.mode is eck, and the cluster does not know elasticsearch.k8s.elastic.co/v1. Install Elastic's operator first: helm repo add elastic https://helm.elastic.co && helm install eck elastic/eck-operator -n elastic-system --create-namespace (for helm template: --api-versions elasticsearch.k8s.elastic.co/v1)" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
{{- fail "serviceMonitor.enabled, and the cluster does not know monitoring.coreos.com/v1. Install the Prometheus Operator, or set serviceMonitor.enabled=false (for helm template: --api-versions monitoring.coreos.com/v1)" -}}
{{- end -}}
{{- if .Values.gateway.enabled -}}
{{- if not (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1") -}}
{{- fail "gateway.enabled, and the cluster does not know gateway.networking.k8s.io/v1. Install the Gateway API, or set gateway.enabled=false (for helm template: --api-versions gateway.networking.k8s.io/v1)" -}}
{{- end -}}
{{- if not .Values.gateway.parentRefs }}{{ fail "gateway.enabled: set gateway.parentRefs, such as [{name: public}]" }}{{ end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}{{ fail "ingress.enabled: set ingress.hosts, such as [shop.example.com]" }}{{ end -}}
{{- if .Values.autoscaling.enabled -}}
{{- if eq .Values.journal.keep "node" }}{{ fail "autoscaling.enabled, and journal.keep=node runs one pod on each node. Set journal.keep to volume or pod, or autoscaling.enabled=false" }}{{ end -}}
{{- if gt (int .Values.autoscaling.min) (int .Values.autoscaling.max) }}{{ fail "autoscaling.min is above autoscaling.max. Set max to at least min" }}{{ end -}}
{{- end -}}
{{- $listeners := include "lbproxy.listeners" . | fromJsonArray -}}
{{- range $listeners -}}
{{- if not .port }}{{ fail (printf "the listener %s has port 0 or a variable, and a Service needs a number. Set its port in config.proxy" .name) }}{{ end -}}
{{- if eq (int .port) 9901 }}{{ fail (printf "the listener %s has port 9901, which is the admin's. Set another in config.proxy" .name) }}{{ end -}}
{{- end -}}
{{- range $name, $_ := .Values.service.ports -}}
{{- $known := list -}}
{{- range $listeners }}{{ $known = append $known .name }}{{ end -}}
{{- if not (has $name $known) }}{{ fail (printf "service.ports.%s names no listener. There is: %s" $name (join ", " $known)) }}{{ end -}}
{{- end -}}
{{- if eq .Values.journal.keep "volume" -}}
{{- $journal := dig "journal" "size" "256MiB" $telemetry -}}
{{- $need := add (include "lbproxy.mebibytes" $journal | int) 64 -}}
{{- $has := include "lbproxy.mebibytes" .Values.journal.size | int -}}
{{- if lt $has (int $need) -}}
{{- fail (printf "journal.size is %s, and config.telemetry.journal.size (%s), dead letters and states need %dMi. Set journal.size to at least that" .Values.journal.size $journal $need) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.stack.mode "bundled") (ne (int .Values.stack.server.nodes) 1) -}}
{{- fail "stack.mode=bundled runs one node: set stack.server.nodes=1, or stack.mode=eck for more" -}}
{{- end -}}
{{- end -}}

{{/* A size of lbproxy (256MiB) or of Kubernetes (1Gi) in MiB; what is neither counts as plenty. */}}
{{- define "lbproxy.mebibytes" -}}
{{- $number := regexFind "^[0-9]+" . | default "0" | int64 -}}
{{- $unit := regexReplaceAll "^[0-9]+|B$" . "" -}}
{{- if eq $unit "Ki" }}{{ div $number 1024 }}{{ else if eq $unit "Mi" }}{{ $number }}{{ else if eq $unit "Gi" }}{{ mul $number 1024 }}{{ else if eq $unit "Ti" }}{{ mul $number 1048576 }}{{ else }}{{ 1073741824 }}{{ end -}}
{{- end -}}
