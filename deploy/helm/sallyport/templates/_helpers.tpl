{{- define "sallyport.labels" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "sallyport.selector" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sallyport.url" -}}
{{- $url := required "publicUrl is missing: --set publicUrl=https://controller.example.com" .Values.publicUrl -}}
{{- if not (hasPrefix "https://" $url) }}{{ fail "publicUrl must begin with https://" }}{{ end -}}
{{- $url -}}
{{- end }}
