{{- /* The number that an expression ends with, and what is before and after it. */ -}}
{{- define "batch-exporter.thresholdPattern" -}}
^((?s:.*)[<>]=? )([0-9.]+)(\)*)$
{{- end -}}

{{- /* The groups of rules, as prometheusRule changes them. */ -}}
{{- define "batch-exporter.groups" -}}
{{- $values := .Values.prometheusRule -}}
{{- $groups := list -}}
{{- range $path, $_ := .Files.Glob "files/rules/*.yml" -}}
{{- range (include "batch-exporter.linked" (dict "root" $ "path" $path) | fromYaml).groups -}}
{{- $rules := list -}}
{{- range $rule := .rules -}}
{{- if eq ($rule.record | default "") "batch_exporter:objective:ratio" -}}
{{- $_ := set $rule "expr" (printf "vector(%v)" $values.objective) -}}
{{- end -}}
{{- if $rule.alert -}}
{{- $custom := get ($values.customRules | default dict) $rule.alert | default dict -}}
{{- $severity := dict -}}
{{- with $custom.severity -}}
{{- $severity = dict "severity" . -}}
{{- end -}}
{{- $_ := set $rule "labels" (merge (dict) $severity ($values.additionalRuleLabels | default dict) $rule.labels) -}}
{{- with $custom.for -}}
{{- $_ := set $rule "for" . -}}
{{- end -}}
{{- with $custom.keepFiringFor -}}
{{- $_ := set $rule "keep_firing_for" . -}}
{{- end -}}
{{- if hasKey $custom "threshold" -}}
{{- $replaced := regexReplaceAll (include "batch-exporter.thresholdPattern" $) (trim $rule.expr) (printf "${1}%v${3}" $custom.threshold) -}}
{{- $_ := set $rule "expr" $replaced -}}
{{- end -}}
{{- end -}}
{{- if not (get ($values.disabled | default dict) ($rule.alert | default "")) -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- if $rules -}}
{{- $groups = append $groups (merge (dict "rules" $rules) (omit . "rules")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $own := list -}}
{{- range $rule := $values.rules -}}
{{- if $rule.alert -}}
{{- $labels := merge (dict) ($rule.labels | default dict) ($values.additionalRuleLabels | default dict) -}}
{{- $rule = merge (dict "labels" $labels) (omit $rule "labels") -}}
{{- end -}}
{{- $own = append $own $rule -}}
{{- end -}}
{{- if $own -}}
{{- $groups = append $groups (dict "name" "batch-exporter-own" "rules" $own) -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}
