{{- define "batch-exporter.configKey" -}}
{{- ternary .Values.existingConfig.key "config.yaml" (or .Values.existingConfig.configMap .Values.existingConfig.secret | empty | not) -}}
{{- end -}}

{{- /* Fails with all that is wrong with values that each fit the schema, but not each other. */ -}}
{{- define "batch-exporter.validate" -}}
{{- $problems := include "batch-exporter.problems" . | fromYamlArray -}}
{{- if $problems -}}
{{- fail (printf "\n- %s" (join "\n- " $problems)) -}}
{{- end -}}
{{- end -}}

{{- /* A time as Prometheus writes it, in milliseconds. */ -}}
{{- define "batch-exporter.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|[smhdwy])" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" .) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{- define "batch-exporter.problems" -}}
{{- $values := .Values -}}
{{- $web := include "batch-exporter.web" . | fromYaml -}}
{{- $problems := list -}}
{{- if not (regexMatch "^[a-z][a-z0-9-]*$" (include "batch-exporter.fullname" .)) -}}
{{- $problems = append $problems (printf "fullnameOverride: the name of a Service begins with a letter and has no others than a-z, 0-9 and -, and the release makes it %s; set one" (include "batch-exporter.fullname" .)) -}}
{{- end -}}
{{- range $section, $files := dict "prometheusRule" "files/rules/*.yml" "dashboards" "files/dashboards/*.json" -}}
{{- if and (get $values $section).enabled (not ($.Files.Glob $files)) -}}
{{- $problems = append $problems (printf "%s.enabled: the chart has no %s; they are links in the repository, which were not followed: use a package made by helm package" $section $files) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int $values.replicaCount) 1) (not $values.state.existingSecret) -}}
{{- $problems = append $problems "replicaCount: more than one replica need their state in PostgreSQL; set state.existingSecret, or replicaCount: 1" -}}
{{- end -}}
{{- if and $values.state.existingSecret (hasKey ($values.config.state | default dict) "path") -}}
{{- $problems = append $problems "config.state.path: with state.existingSecret the state is in PostgreSQL; remove one of them" -}}
{{- end -}}
{{- if and $values.existingConfig.configMap $values.existingConfig.secret -}}
{{- $problems = append $problems "existingConfig: configMap and secret are both set; keep the one with the configuration file" -}}
{{- end -}}
{{- if not (or $values.existingConfig.configMap $values.existingConfig.secret) -}}
{{- $state := ($values.config.state | default dict).path | default "" -}}
{{- $writable := list "/data" -}}
{{- range $values.extraVolumeMounts -}}
{{- $writable = append $writable (trimSuffix "/" .mountPath) -}}
{{- end -}}
{{- $kept := empty $state -}}
{{- range $folder := $writable -}}
{{- $kept = or $kept (hasPrefix (printf "%s/" $folder) $state) -}}
{{- end -}}
{{- if not $kept -}}
{{- $problems = append $problems (printf "config.state.path: %s is not on a volume; begin it with %s/" $state (join "/ or " $writable)) -}}
{{- end -}}
{{- range $index, $account := $values.config.accounts -}}
{{- if and $account.api_token_env (not $values.extraEnv) (not $values.extraEnvFrom) -}}
{{- $problems = append $problems (printf "config.accounts[%d].api_token_env: the pod has no variable %s; set extraEnv or extraEnvFrom" $index $account.api_token_env) -}}
{{- end -}}
{{- $files := dict "api_token_file" $account.api_token_file "webhook.secret_file" ($account.webhook | default dict).secret_file -}}
{{- range $name := list "ca_file" "cert_file" "key_file" -}}
{{- $_ := set $files (printf "tls_config.%s" $name) (get ($account.tls_config | default dict) $name) -}}
{{- end -}}
{{- range $key, $file := $files -}}
{{- if and $file (not (hasPrefix "/" $file)) -}}
{{- $problems = append $problems (printf "config.accounts[%d].%s: %s would be beside the configuration, where the pod has no other file; name its place, such as /run/secrets/batch-exporter/%s for a key of tokens.secretName" $index $key $file (base $file)) -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "/run/secrets/batch-exporter/" ($account.api_token_file | default "")) (not $values.tokens.secretName) -}}
{{- $problems = append $problems (printf "config.accounts[%d].api_token_file: %s is in the Secret tokens.secretName, which is empty" $index $account.api_token_file) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $index, $flag := $values.extraArgs -}}
{{- range $own, $value := dict "--config.file" "existingConfig" "--web.config.file" "webConfig" "--web.unauthenticated-health" "webConfig" "--no-web.unauthenticated-health" "webConfig" "--web.listen-address" "service.port" -}}
{{- if or (eq $flag $own) (hasPrefix (printf "%s=" $own) $flag) -}}
{{- $problems = append $problems (printf "extraArgs[%d]: the chart sets %s; use %s" $index $own $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $values.webConfig.config $values.webConfig.existingSecret -}}
{{- $problems = append $problems "webConfig: config and existingSecret are both set; keep the one with the web configuration file" -}}
{{- end -}}
{{- if and $values.webConfig.existingSecret (kindIs "invalid" $values.webConfig.existingSecretSets) -}}
{{- $problems = append $problems "webConfig.existingSecretSets: say what the file in existingSecret sets, such as [tls, users], or [] if neither" -}}
{{- end -}}
{{- if and $values.image.registry (include "batch-exporter.registryInRepository" .) -}}
{{- $problems = append $problems (printf "image.registry: image.repository begins with a registry, too: %s; keep one of them" $values.image.repository) -}}
{{- end -}}
{{- if and $values.service.nodePort (eq $values.service.type "ClusterIP") -}}
{{- $problems = append $problems "service.nodePort: a Service of the type ClusterIP has none; set service.type to NodePort or LoadBalancer" -}}
{{- end -}}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled -}}
{{- $problems = append $problems "podMonitor.enabled: with serviceMonitor.enabled every pod would be scraped twice; turn one of them off" -}}
{{- end -}}
{{- range $name := list "serviceMonitor" "podMonitor" -}}
{{- $monitor := get $values $name -}}
{{- if $monitor.enabled -}}
{{- $elsewhere := not (or (eq ($monitor.namespace | default "") "") (eq $monitor.namespace (include "batch-exporter.namespace" $))) -}}
{{- if and $web.tls (ne ($monitor.scheme | default "") "http") (not $monitor.tlsConfig) (or $elsewhere (not $values.webConfig.tlsSecret)) -}}
{{- $problems = append $problems (printf "%s.tlsConfig: webConfig turns TLS on; say how Prometheus checks the certificate, by ca and serverName" $name) -}}
{{- end -}}
{{- if and $monitor.interval $monitor.scrapeTimeout (gt (include "batch-exporter.milliseconds" $monitor.scrapeTimeout | int64) (include "batch-exporter.milliseconds" $monitor.interval | int64)) -}}
{{- $problems = append $problems (printf "%s.scrapeTimeout: %s is longer than interval (%s), and the operator would ignore the monitor; shorten it" $name $monitor.scrapeTimeout $monitor.interval) -}}
{{- end -}}
{{- if and $web.users (not $monitor.basicAuth) -}}
{{- $problems = append $problems (printf "%s.basicAuth: webConfig turns passwords on; name the Secret with the user and password for Prometheus" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $budget := $values.podDisruptionBudget -}}
{{- $several := and $budget.enabled (gt (int $values.replicaCount) 1) -}}
{{- if and $several (kindIs "invalid" $budget.minAvailable) (regexMatch "^0%?$" (toString $budget.maxUnavailable)) -}}
{{- $problems = append $problems "podDisruptionBudget.maxUnavailable: no pod could ever be evicted, and no node drained; at least 1" -}}
{{- end -}}
{{- $minimum := toString $budget.minAvailable -}}
{{- if and $several (or (eq $minimum "100%") (and (regexMatch "^[0-9]+$" $minimum) (ge (int $minimum) (int $values.replicaCount)))) -}}
{{- $problems = append $problems "podDisruptionBudget.minAvailable: no pod could ever be evicted, and no node drained; less than replicaCount" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- $problems = append $problems "ingress.hosts: the Ingress leads nowhere; add a host with a path" -}}
{{- end -}}
{{- range $name, $route := $values.route -}}
{{- if and $route.enabled (not $route.parentRefs) -}}
{{- $problems = append $problems (printf "route.%s.parentRefs: the HTTPRoute has no Gateway; add one" $name) -}}
{{- end -}}
{{- end -}}
{{- if $values.prometheusRule.customRules -}}
{{- range $path, $_ := .Files.Glob "files/rules/*.yml" -}}
{{- range ($.Files.Get $path | fromYaml).groups -}}
{{- range .rules -}}
{{- if hasKey (get ($values.prometheusRule.customRules | default dict) (.alert | default "") | default dict) "threshold" -}}
{{- if not (regexMatch (include "batch-exporter.thresholdPattern" $) (trim .expr)) -}}
{{- $problems = append $problems (printf "prometheusRule.customRules.%s.threshold: its expression does not end with a number to change" .alert) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $problems -}}
{{- end -}}
