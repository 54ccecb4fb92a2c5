{{- /* What the web configuration sets: file (whether there is one), tls, users, and whether probes can ask for a path. */ -}}
{{- define "batch-exporter.web" -}}
{{- $web := .Values.webConfig -}}
{{- $file := $web.config | default dict -}}
{{- $tls := $file.tls_server_config | default dict -}}
{{- $limit := ($file.rate_limit | default dict).interval | default "0" | toString -}}
{{- $sets := list -}}
{{- if $web.existingSecret -}}
{{- $sets = $web.existingSecretSets | default list -}}
{{- else -}}
{{- range $key := list "cert" "cert_file" "key" "key_file" "client_ca" "client_ca_file" "client_auth_type" -}}
{{- if get $tls $key -}}
{{- $sets = append $sets "tls" -}}
{{- end -}}
{{- end -}}
{{- if $file.basic_auth_users -}}
{{- $sets = append $sets "users" -}}
{{- end -}}
{{- if eq ($tls.client_auth_type | default "") "RequireAndVerifyClientCert" -}}
{{- $sets = append $sets "clientCertificates" -}}
{{- end -}}
{{- if not (regexMatch "^0[a-z]*$" $limit) -}}
{{- $sets = append $sets "rateLimit" -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict
  "file" (or (not (empty $web.existingSecret)) (not (empty $web.tlsSecret)) (not (empty $file)))
  "tls" (or (has "tls" $sets) (has "clientCertificates" $sets) (not (empty $web.tlsSecret)))
  "users" (has "users" $sets)
  "paths" (not (or (has "clientCertificates" $sets) (has "rateLimit" $sets)))) -}}
{{- end -}}

{{- /* The web configuration file, with the certificate of tlsSecret. */ -}}
{{- define "batch-exporter.webConfig" -}}
{{- $file := .Values.webConfig.config | default dict -}}
{{- if .Values.webConfig.tlsSecret -}}
{{- $certificate := dict
  "cert_file" "/run/secrets/batch-exporter-tls/tls.crt"
  "key_file" "/run/secrets/batch-exporter-tls/tls.key" -}}
{{- $tls := merge (dict) ($file.tls_server_config | default dict) $certificate -}}
{{- $file = merge (dict "tls_server_config" $tls) (omit $file "tls_server_config") -}}
{{- end -}}
{{- toYaml $file -}}
{{- end -}}

{{- /* What a probe does. */ -}}
{{- define "batch-exporter.probe" -}}
{{- $web := include "batch-exporter.web" .root | fromYaml -}}
{{- if not $web.paths -}}
tcpSocket: {port: metrics}
{{- else if $web.tls -}}
httpGet: {path: {{ .path }}, port: metrics, scheme: HTTPS}
{{- else -}}
httpGet: {path: {{ .path }}, port: metrics}
{{- end }}
{{- range $name, $value := .probe }}
{{- if or $value (ne $name "initialDelaySeconds") }}
{{ $name }}: {{ int $value }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* How Prometheus scrapes: root, and the monitor's values. */ -}}
{{- define "batch-exporter.endpoint" -}}
{{- $root := .root -}}
{{- $web := include "batch-exporter.web" $root | fromYaml -}}
{{- $name := include "batch-exporter.fullname" $root -}}
{{- $endpoint := dict "port" "metrics" -}}
{{- $scheme := .monitor.scheme | default (ternary "https" "" $web.tls) -}}
{{- $tlsConfig := .monitor.tlsConfig -}}
{{- $tlsSecret := $root.Values.webConfig.tlsSecret -}}
{{- if and (eq $scheme "https") $tlsSecret (not $tlsConfig) -}}
{{- $authority := dict "secret" (dict "name" $tlsSecret "key" "ca.crt") -}}
{{- $tlsConfig = dict "ca" $authority "serverName" (printf "%s.%s.svc" $name (include "batch-exporter.namespace" $root)) -}}
{{- end -}}
{{- $relabelings := .monitor.relabelings | default list -}}
{{- if ne (include "batch-exporter.name" $root) "batch-exporter" -}}
{{- /* The rules know the exporter as job="batch-exporter". */ -}}
{{- $relabelings = prepend $relabelings (dict "targetLabel" "job" "replacement" "batch-exporter") -}}
{{- end -}}
{{- $metricRelabelings := .monitor.metricRelabelings | default list -}}
{{- if $root.Values.state.existingSecret -}}
{{- /* An account that moves to another replica keeps its series: docs/high-availability.md. */ -}}
{{- $metricRelabelings = concat (list
  (dict "sourceLabels" (list "account") "regex" ".+" "targetLabel" "instance" "replacement" $name)
  (dict "sourceLabels" (list "account") "regex" ".+" "targetLabel" "pod" "replacement" "")) $metricRelabelings -}}
{{- end -}}
{{- $path := "" -}}
{{- range $root.Values.extraArgs -}}
{{- if hasPrefix "--web.telemetry-path=" . -}}
{{- $path = trimPrefix "--web.telemetry-path=" . -}}
{{- end -}}
{{- end -}}
{{- $all := dict "path" $path "interval" .monitor.interval "scrapeTimeout" .monitor.scrapeTimeout "scheme" $scheme
  "tlsConfig" $tlsConfig "basicAuth" .monitor.basicAuth
  "relabelings" $relabelings "metricRelabelings" $metricRelabelings -}}
{{- range $key, $value := $all -}}
{{- if $value -}}
{{- $_ := set $endpoint $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml (list $endpoint) -}}
{{- end -}}

{{- /* The namespace that a monitor elsewhere looks into; nothing for a monitor that is here. */ -}}
{{- define "batch-exporter.namespaceSelector" -}}
{{- $namespace := include "batch-exporter.namespace" .root -}}
{{- if and .monitor.namespace (ne .monitor.namespace $namespace) -}}
{{ $namespace }}
{{- end -}}
{{- end -}}
