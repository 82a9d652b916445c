{{/* Settings of the one server of stack.mode=bundled. It takes part in no cluster: its transport stays on loopback. */}}

{{- define "lbproxy.elasticsearchSettings" -}}
cluster.name: {{ include "lbproxy.fullname" . }}
discovery.type: single-node
http.host: 0.0.0.0
transport.host: 127.0.0.1
# Mapped files need a sysctl of the node that a chart has no business to set.
node.store.allow_mmap: false
xpack.security.enabled: true
xpack.security.autoconfiguration.enabled: false
{{- if .Values.stack.tls.enabled }}
xpack.security.http.ssl:
  enabled: true
  certificate: tls/tls.crt
  key: tls/tls.key
  certificate_authorities: [tls/ca.crt]
{{- end }}
{{- end -}}

{{- define "lbproxy.opensearchSettings" -}}
cluster.name: {{ include "lbproxy.fullname" . }}
discovery.type: single-node
http.host: 0.0.0.0
transport.host: 127.0.0.1
node.store.allow_mmap: false
# Its security does not start without TLS between nodes, even where there is one.
plugins.security.ssl.transport.pemcert_filepath: tls/tls.crt
plugins.security.ssl.transport.pemkey_filepath: tls/tls.key
plugins.security.ssl.transport.pemtrustedcas_filepath: tls/ca.crt
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.ssl.http.enabled: {{ .Values.stack.tls.enabled }}
{{- if .Values.stack.tls.enabled }}
plugins.security.ssl.http.pemcert_filepath: tls/tls.crt
plugins.security.ssl.http.pemkey_filepath: tls/tls.key
plugins.security.ssl.http.pemtrustedcas_filepath: tls/ca.crt
{{- end }}
# The users of the Secret are read once, into an empty index of security.
plugins.security.allow_default_init_securityindex: true
plugins.security.nodes_dn: ["CN=*"]
plugins.security.restapi.roles_enabled: [all_access, security_rest_api_access]
plugins.security.system_indices.enabled: true
{{- end -}}

{{- define "lbproxy.kibanaSettings" -}}
server.host: 0.0.0.0
server.name: {{ include "lbproxy.dashboardsService" . }}
elasticsearch.hosts: {{ include "lbproxy.serverUrls" . }}
elasticsearch.username: {{ include "lbproxy.dashboardsUser" . }}
elasticsearch.password: ${DASHBOARDS_PASSWORD}
# Sessions and what rules know stay readable over upgrades.
xpack.encryptedSavedObjects.encryptionKey: ${DASHBOARDS_KEY}
xpack.security.encryptionKey: ${DASHBOARDS_KEY}
xpack.reporting.encryptionKey: ${DASHBOARDS_KEY}
telemetry.optIn: false
{{- if .Values.stack.tls.enabled }}
elasticsearch.ssl.certificateAuthorities: [/etc/tls/ca.crt]
server.ssl: {enabled: true, certificate: /etc/tls/tls.crt, key: /etc/tls/tls.key}
{{- end }}
{{- end -}}

{{- define "lbproxy.opensearchDashboardsSettings" -}}
server.host: 0.0.0.0
server.name: {{ include "lbproxy.dashboardsService" . }}
opensearch.hosts: {{ include "lbproxy.serverUrls" . }}
opensearch.username: {{ include "lbproxy.dashboardsUser" . }}
opensearch.password: ${DASHBOARDS_PASSWORD}
opensearch.requestHeadersAllowlist: [authorization, securitytenant]
opensearch_security.multitenancy.enabled: true
opensearch_security.multitenancy.tenants.preferred: [Global, Private]
opensearch_security.cookie.password: ${DASHBOARDS_KEY}
opensearch_security.cookie.secure: {{ .Values.stack.tls.enabled }}
{{- if .Values.stack.tls.enabled }}
opensearch.ssl.certificateAuthorities: [/etc/tls/ca.crt]
server.ssl: {enabled: true, certificate: /etc/tls/tls.crt, key: /etc/tls/tls.key}
{{- end }}
{{- end -}}
