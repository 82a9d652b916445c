{{/*
One Secret has every password and key. It is made at the first install; later renderings find it by `lookup` and
keep what it holds. A renderer that cannot look anything up (`helm template`, Argo CD) would make others each time:
it is refused.
*/}}

{{- define "lbproxy.secret" -}}
{{ .Values.secrets.existingSecret | default (printf "%s-secrets" (include "lbproxy.fullname" .)) }}
{{- end -}}

{{/* The keys that this release needs, as a JSON list. */}}
{{- define "lbproxy.secretKeys" -}}
{{- $keys := list "admin-token" -}}
{{- $auth := include "lbproxy.auth" . -}}
{{- if and (ne .Values.stack.mode "none") (ne $auth "none") -}}
{{- $kind := ternary "api-key" "password" (eq $auth "apiKey") -}}
{{- $keys = append $keys (printf "shipping-%s" $kind) -}}
{{- if eq (include "lbproxy.watches" .) "yes" }}{{ $keys = append $keys (printf "watch-%s" $kind) }}{{ end -}}
{{- if and (ne .Values.stack.mode "eck") (or .Values.setup.enabled (eq .Values.stack.mode "bundled")) }}{{ $keys = append $keys (printf "server-%s" $kind) }}{{ end -}}
{{- end -}}
{{- if eq .Values.stack.mode "bundled" -}}
{{- $keys = concat $keys (list "dashboards-password" "dashboards-key" (include "lbproxy.usersKey" .)) -}}
{{- end -}}
{{- toJson $keys -}}
{{- end -}}

{{/* The file of users is another for each product. */}}
{{- define "lbproxy.usersKey" -}}
{{ .Values.stack.product }}-users
{{- end -}}

{{/* "yes" for a renderer without a cluster: its list of APIs is what Helm was built with, and names one that no server has had since 1.22. */}}
{{- define "lbproxy.blind" -}}
{{- if .Capabilities.APIVersions.Has "extensions/v1beta1" }}yes{{ end -}}
{{- end -}}

{{- define "lbproxy.refuseBlind" -}}
{{- if include "lbproxy.blind" .root -}}
{{- fail (printf "this renderer sees no cluster (helm template, Argo CD, helm lint), so %s would be others at each rendering. Make a Secret with the keys %s and set %s to its name (docs/kubernetes.md#secrets)" .what .keys .set) -}}
{{- end -}}
{{- end -}}

{{/* What the file of users has, whose passwords are hashed: of (dict "root" $ "data" PASSWORDS). */}}
{{- define "lbproxy.users" -}}
{{- $dashboards := include "lbproxy.dashboardsUser" .root -}}
{{- if eq .root.Values.stack.product "elasticsearch" -}}
{{ $dashboards }}:{{ bcrypt (index .data "dashboards-password") }}
{{ else -}}
_meta: {type: internalusers, config_version: 2}
admin: {hash: {{ bcrypt (index .data "server-password") | quote }}, reserved: true, backend_roles: [admin]}
{{ $dashboards }}: {hash: {{ bcrypt (index .data "dashboards-password") | quote }}, reserved: true}
{{ end -}}
{{- end -}}

{{/*
The DER of a key as PKCS#8, which OpenSearch wants, made of sprig's PKCS#1: a head of 24 bytes goes before it, a
multiple of three, so that the two base64 texts can stand one after the other. The head has two lengths.
*/}}
{{- define "lbproxy.pkcs8" -}}
{{- $body := regexReplaceAll "-----[A-Z ]+-----|\\s" . "" -}}
{{- $length := sub (mul (div (len $body) 4) 3) (len (regexFind "=*$" $body)) | int -}}
{{- $whole := add $length 20 | int -}}
{{- $head := printf "3082%04x0201" $whole -}}
{{- $head = printf "%s00300b06092a864886f70d0101010482%04x" $head $length -}}
-----BEGIN PRIVATE KEY-----
{{ range $line := (regexFindAll ".{1,64}" (printf "%s%s" (include "lbproxy.hexToBase64" $head) $body) -1) -}}
{{ $line }}
{{ end -}}
-----END PRIVATE KEY-----
{{ end -}}

{{/* Of a multiple of three bytes. */}}
{{- define "lbproxy.hexToBase64" -}}
{{- $alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" -}}
{{- range $three := regexFindAll ".{6}" . -1 -}}
{{- $number := 0 -}}
{{- range $digit := regexFindAll "." $three -1 -}}
{{- $number = add (mul $number 16) (sub (len (index (splitList $digit "0123456789abcdef") 0)) 0) -}}
{{- end -}}
{{- range $unit := list 262144 4096 64 1 -}}
{{- $at := mod (div $number $unit) 64 | int -}}
{{- substr $at (int (add $at 1)) $alphabet -}}
{{- end -}}
{{- end -}}
{{- end -}}
