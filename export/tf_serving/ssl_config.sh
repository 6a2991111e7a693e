#!/usr/bin/env bash
# Writes the server's --ssl_config_file: bash ssl_config.sh KEY.pem CERTIFICATE.pem [CLIENT_CA.pem] > ssl.config
#
# With CLIENT_CA the server demands a certificate of each client. The file holds the private key:
# keep it out of MODELS, and readable for the server alone.
set -euo pipefail
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: bash ssl_config.sh KEY.pem CERTIFICATE.pem [CLIENT_CA.pem] > ssl.config" >&2
    exit 2
fi
field() { # NAME FILE
    case $2 in /*) file=$2 ;; *) file=./$2 ;; esac
    if ! grep -q -- '-----BEGIN ' "$file"; then
        echo "$2 must be a PEM file." >&2
        exit 2
    fi
    # PEM has no quotes and no backslashes.
    printf '%s: "%s"\n' "$1" "$(tr -d '\r' <"$file" | awk '{ printf "%s\\n", $0 }')"
}
text=$(
    field server_key "$1"
    field server_cert "$2"
    if [ $# -eq 3 ]; then
        field custom_ca "$3"
        echo "client_verify: true"
    fi
)
printf '%s\n' "$text"
