{{/* proxy.yaml: `config` of the values, and what only the chart can know. */}}

{{- define "lbproxy.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $telemetry := $config.telemetry | default dict -}}
{{- $_ := set $telemetry "journal" (merge (dict "path" "/var/lib/lbproxy/journal") ($telemetry.journal | default dict)) -}}
{{- if ne .Values.stack.mode "none" -}}
{{- $_ := set $telemetry "elasticsearch" (include "lbproxy.server" . | fromYaml | merge ($telemetry.elasticsearch | default dict)) -}}
{{- end -}}
{{- $_ := set $config "telemetry" $telemetry -}}
{{- $_ := set $config "admin" (dict "listen" "0.0.0.0:9901" "token_file" "/etc/lbproxy/secrets/admin-token") -}}
{{- $slo := $config.slo | default dict -}}
{{- if .Values.objectives }}{{ $_ := set $slo "files" (list "/etc/lbproxy/slo/*.yaml") }}{{ end -}}
{{- if eq (include "lbproxy.watches" .) "yes" -}}
{{- $_ := set $slo "notify" (merge (dict "by" "watch") ($slo.notify | default dict)) -}}
{{- end -}}
{{- if $slo }}{{ $_ := set $config "slo" $slo }}{{ end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* telemetry.elasticsearch: each pod has its own user in LBPROXY_USER, and its own secret in one place. */}}
{{- define "lbproxy.server" -}}
urls: {{ include "lbproxy.serverUrls" . }}
{{- $auth := include "lbproxy.auth" . }}
{{- if eq $auth "password" }}
username: ${LBPROXY_USER}
password_file: /etc/lbproxy/secrets/credential
{{- else if eq $auth "apiKey" }}
api_key_file: /etc/lbproxy/secrets/credential
{{- end }}
{{- if include "lbproxy.caSecret" . }}
tls: {ca_file: /etc/lbproxy/ca/ca.crt}
{{- end }}
{{- with include "lbproxy.dashboardsUrl" . }}
dashboards: {url: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* "yes" where `lbproxy slo watch` runs. */}}
{{- define "lbproxy.watches" -}}
{{- if and .Values.watcher.enabled (ne .Values.stack.mode "none") -}}yes{{- end -}}
{{- end -}}

{{- define "lbproxy.configChecksum" -}}
{{- printf "%s%s" (include "lbproxy.config" .) (toYaml .Values.objectives) | sha256sum -}}
{{- end -}}
