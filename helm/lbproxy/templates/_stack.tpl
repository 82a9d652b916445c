{{/* Where records go: addresses, who asks, which authority is trusted. */}}

{{- define "lbproxy.auth" -}}
{{- if eq .Values.stack.mode "external" }}{{ .Values.stack.external.auth }}{{ else }}password{{ end -}}
{{- end -}}

{{/* Whether this chart makes server and dashboards, itself or by an operator: "yes" or nothing. */}}
{{- define "lbproxy.ownsStack" -}}
{{- if has .Values.stack.mode (list "bundled" "eck") }}yes{{ end -}}
{{- end -}}

{{- define "lbproxy.scheme" -}}
{{- ternary "https" "http" .Values.stack.tls.enabled -}}
{{- end -}}

{{- define "lbproxy.serverService" -}}
{{ include "lbproxy.fullname" . }}-{{ ternary "es-http" "server" (eq .Values.stack.mode "eck") }}
{{- end -}}

{{- define "lbproxy.dashboardsService" -}}
{{ include "lbproxy.fullname" . }}-{{ ternary "kb-http" "dashboards" (eq .Values.stack.mode "eck") }}
{{- end -}}

{{/* A JSON list. */}}
{{- define "lbproxy.serverUrls" -}}
{{- if eq .Values.stack.mode "external" -}}
{{- toJson .Values.stack.external.urls -}}
{{- else -}}
{{- list (printf "%s://%s.%s.svc:9200" (include "lbproxy.scheme" .) (include "lbproxy.serverService" .) .Release.Namespace) | toJson -}}
{{- end -}}
{{- end -}}

{{- define "lbproxy.dashboardsUrl" -}}
{{- if eq .Values.stack.mode "external" -}}
{{ .Values.stack.external.dashboardsUrl }}
{{- else if ne .Values.stack.mode "none" -}}
{{- printf "%s://%s.%s.svc:5601" (include "lbproxy.scheme" .) (include "lbproxy.dashboardsService" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{- define "lbproxy.tlsSecret" -}}
{{ .Values.stack.tls.existingSecret | default (printf "%s-tls" (include "lbproxy.fullname" .)) }}
{{- end -}}

{{/* The Secret whose ca.crt lbproxy trusts, or nothing. */}}
{{- define "lbproxy.caSecret" -}}
{{- if eq .Values.stack.mode "external" -}}
{{ .Values.stack.external.caSecret }}
{{- else if and (include "lbproxy.ownsStack" .) .Values.stack.tls.enabled -}}
{{ include "lbproxy.tlsSecret" . }}
{{- end -}}
{{- end -}}

{{/* Who ships, who watches, who sets up. */}}
{{- define "lbproxy.shippingUser" -}}
{{- if and (ne .Values.stack.mode "none") (eq (include "lbproxy.auth" .) "password") -}}
{{ ternary .Values.stack.external.username "lbproxy" (eq .Values.stack.mode "external") }}
{{- end -}}
{{- end -}}

{{- define "lbproxy.watchUser" -}}
{{- if eq (include "lbproxy.auth" .) "password" -}}
{{ ternary .Values.stack.external.watchUsername "lbproxy_watch" (eq .Values.stack.mode "external") }}
{{- end -}}
{{- end -}}

{{- define "lbproxy.adminUser" -}}
{{- if eq .Values.stack.mode "external" -}}
{{ .Values.stack.external.adminUsername }}
{{- else -}}
{{ ternary "elastic" "admin" (eq .Values.stack.product "elasticsearch") }}
{{- end -}}
{{- end -}}

{{/* Whom Kibana or Dashboards is to the server; OpenSearch's shipped mapping of roles has this name. */}}
{{- define "lbproxy.dashboardsUser" -}}
{{ ternary "dashboards" "kibanaserver" (eq .Values.stack.product "elasticsearch") }}
{{- end -}}

{{- define "lbproxy.stackVersion" -}}
{{ index .Values.stack.server.image .Values.stack.product | splitList ":" | last }}
{{- end -}}
