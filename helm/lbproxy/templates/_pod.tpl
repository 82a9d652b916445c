{{/* What all pods of lbproxy's own image have. */}}

{{- define "lbproxy.podDefaults" -}}
serviceAccountName: {{ include "lbproxy.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "lbproxy.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Of (dict "root" $ "user" NAME): image, rights, environment and what the configuration names. */}}
{{- define "lbproxy.container" -}}
image: {{ include "lbproxy.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- if or .user .root.Values.extraEnv }}
env:
{{- if .user }}
  - {name: LBPROXY_USER, value: {{ .user | quote }}}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "lbproxy.mounts" -}}
- {name: lbproxy, mountPath: /etc/lbproxy, readOnly: true}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Of (dict "root" $ "of" shipping|watch "setup" BOOL): everything below /etc/lbproxy in one volume, since nothing can be
mounted inside a read-only one. The credential is that of the pod's own user.
*/}}
{{- define "lbproxy.volumes" -}}
{{- $root := .root -}}
{{- $full := include "lbproxy.fullname" $root -}}
- name: lbproxy
  projected:
    defaultMode: 0440
    sources:
      - configMap: {name: {{ $full }}, items: [{key: proxy.yaml, path: proxy.yaml}]}
{{- if $root.Values.objectives }}
      - configMap:
          name: {{ $full }}-objectives
          items:
{{- range $name := keys $root.Values.objectives | sortAlpha }}
            - {key: {{ $name }}, path: slo/{{ $name }}}
{{- end }}
{{- end }}
      - secret:
          name: {{ include "lbproxy.secret" $root }}
          items:
            - {key: admin-token, path: secrets/admin-token}
{{- range $key := include "lbproxy.secretKeys" $root | fromJsonArray }}
{{- if hasPrefix (printf "%s-" $.of) $key }}
            - {key: {{ $key }}, path: secrets/credential}
{{- end }}
{{- if and $.setup (regexMatch "^(server|shipping|watch)-" $key) }}
            - {key: {{ $key }}, path: secrets/{{ $key }}}
{{- end }}
{{- end }}
{{- if and .setup (eq $root.Values.stack.mode "eck") }}
      - secret: {name: {{ $full }}-es-elastic-user, items: [{key: elastic, path: secrets/server-password}]}
{{- end }}
{{- with include "lbproxy.caSecret" $root }}
      - secret: {name: {{ . }}, items: [{key: ca.crt, path: ca/ca.crt}]}
{{- end }}
{{- with $root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
