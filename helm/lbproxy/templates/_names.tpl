{{/* Names, labels, image: what every object has. */}}

{{- define "lbproxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters: the longest suffix, a StatefulSet's hash and an ordinal fit in 63. */}}
{{- define "lbproxy.fullname" -}}
{{- $name := include "lbproxy.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of (dict "root" $ "component" NAME): what selectors name; never changes. */}}
{{- define "lbproxy.selector" -}}
app.kubernetes.io/name: {{ include "lbproxy.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "lbproxy.labels" -}}
{{ include "lbproxy.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "lbproxy.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "lbproxy.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "lbproxy.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* The listeners of proxy.yaml: a JSON list of name and port. */}}
{{- define "lbproxy.listeners" -}}
{{- $proxy := .Values.config.proxy -}}
{{- $listeners := $proxy.listeners | default (list) -}}
{{- if $proxy.listen }}{{ $listeners = list $proxy.listen }}{{ end -}}
{{- $all := list -}}
{{- range $at, $one := $listeners -}}
{{- $name := $one.name | default (ternary "http" (printf "listener-%d" (add $at 1)) (eq (len $listeners) 1)) -}}
{{- $port := $one.port | int -}}
{{- $all = append $all (dict "name" ($name | lower | replace "_" "-" | trunc 15 | trimSuffix "-") "port" $port "service" (index $.Values.service.ports $name | default $port) "tls" (hasKey $one "tls")) -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}
