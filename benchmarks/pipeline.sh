#!/usr/bin/env bash
# The same work with the same tools, as a careful person would script it: what Slipway's pipeline is measured against.
# usage: pipeline.sh REPOSITORY-PATH CONTAINER-NAME HOST-PORT, in a prepared shell, from the project's folder
set -euo pipefail

path=$1 name=$2 port=$3
quarantine=localhost:${SLIPWAY_QUARANTINE_PORT:-5380}/$path
registry=localhost:${SLIPWAY_REGISTRY_PORT:-5443}/$path
version=1.4.0
context=examples/driftwood-web
state=.slipway
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Build: both platforms, one index, by digest, reproducible.
read -r revision epoch < <(git log -1 --format='%H %ct' -- "$context")
base=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["python:3.12-slim"])' $state/base-images.lock.json)
buildctl --addr "unix://$BUILDKIT_SOCKET" build --progress=plain --frontend=dockerfile.v0 \
    --local context=$context --local dockerfile=$context \
    --opt platform=linux/amd64,linux/arm64 \
    --opt "context:python:3.12-slim=docker-image://$base" \
    --opt build-arg:VERSION=$version --opt "build-arg:REVISION=$revision" --opt "build-arg:SOURCE_DATE_EPOCH=$epoch" \
    --opt "build-arg:CREATED=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" \
    --secret id=pip_token,src=$state/keys/pip_token --secret id=ca,src=$state/keys/ca.crt \
    --import-cache "type=registry,ref=$quarantine:cache" \
    --export-cache "type=registry,ref=$quarantine:cache,mode=max" \
    --output "type=image,name=$quarantine,push=true,push-by-digest=true,rewrite-timestamp=true,oci-mediatypes=true" \
    --metadata-file "$work/metadata.json" 2>"$work/build.log" || { tail -20 "$work/build.log" >&2; exit 1; }
digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["containerimage.digest"])' "$work/metadata.json")

# Scan: both platforms side by side; reports as JSON and SARIF.
scan() {
    trivy image --quiet --cache-dir $state/trivy --cache-backend memory --skip-db-update --skip-java-db-update \
        --skip-version-check --scanners vuln --list-all-pkgs --image-src remote --platform "$1" --format json --output "$2.json" "$quarantine@$digest"
    trivy convert --quiet --format sarif --output "$2.sarif" "$2.json"
    trivy convert --quiet --format cyclonedx --output "$2.cdx.json" "$2.json"
    trivy convert --quiet --exit-code 1 --severity HIGH,CRITICAL --format table --output /dev/stderr "$2.json"
}
trivy image --quiet --download-db-only --skip-version-check --cache-dir $state/trivy \
    --db-repository "localhost:${SLIPWAY_QUARANTINE_PORT:-5380}/trivy-db:2"
scan linux/amd64 "$work/amd64" & first=$!
scan linux/arm64 "$work/arm64" & second=$!
wait $first; wait $second

# Sign and verify the index and each platform.
references=("$quarantine@$digest")
while read -r platform_digest; do references+=("$quarantine@$platform_digest"); done < <(
    oras manifest fetch --plain-http "$quarantine@$digest" |
        python3 -c 'import json, sys; [print(it["digest"]) for it in json.load(sys.stdin)["manifests"]]'
)
statement=(--annotations "repository=$registry" --annotations "version=$version")
signers=()
for reference in "${references[@]}"; do
    cosign sign --yes --key $state/keys/cosign.key --tlog-upload=false --use-signing-config=false --allow-http-registry \
        "${statement[@]}" "$reference" <$state/keys/cosign.password 2>/dev/null & signers+=($!)
done
for signer in "${signers[@]}"; do wait "$signer"; done

# Attest: on the index where it comes from, on each platform what was found in it and what it is made of.
attest() {
    cosign attest --yes --key $state/keys/cosign.key --tlog-upload=false --use-signing-config=false --allow-http-registry \
        --type "$2" --predicate "$3" "$1" <$state/keys/cosign.password 2>/dev/null
}
python3 - "$work" "$revision" <<'EOF'
import json, pathlib, sys
work, revision = pathlib.Path(sys.argv[1]), sys.argv[2]
source = {"name": "source", "digest": {"gitCommit": revision}}
definition = {"buildType": "urn:script", "externalParameters": {}, "resolvedDependencies": [source]}
provenance = {"buildDefinition": definition, "runDetails": {"builder": {"id": "urn:script"}}}
(work / "provenance.json").write_text(json.dumps(provenance))
for name in ("amd64", "arm64"):
    report = json.loads((work / f"{name}.json").read_text())
    predicate = {"scanner": {"uri": "trivy", "result": report}, "metadata": {"scanFinishedOn": report["CreatedAt"]}}
    (work / f"{name}.vuln.json").write_text(json.dumps(predicate))
EOF
attest "${references[0]}" slsaprovenance1 "$work/provenance.json" & attesters=($!)
for number in 1 2; do
    platform=$([ $number = 1 ] && echo amd64 || echo arm64)
    { attest "${references[$number]}" https://cosign.sigstore.dev/attestation/vuln/v1 "$work/$platform.vuln.json" &&
        attest "${references[$number]}" cyclonedx "$work/$platform.cdx.json"; } & attesters+=($!)
done
for attester in "${attesters[@]}"; do wait "$attester"; done
cosign verify --key $state/keys/cosign.pub --insecure-ignore-tlog --allow-http-registry "${statement[@]}" \
    "${references[@]}" >/dev/null 2>&1

# Publish by digest, compare, tag.
mkdir -m 700 "$work/docker"
printf '{"auths":{"%s":{"auth":"%s"}}}' "${registry%%/*}" \
    "$(printf 'slipway:%s' "$(cat $state/keys/registry.password)" | base64 -w0)" >"$work/docker/config.json"
login=(--registry-config "$work/docker/config.json" --ca-file $state/services/registry/ca.crt --plain-http=false)
tag=$version-dev.${digest:7:12}
oras cp --recursive --no-tty --from-plain-http --to-registry-config "$work/docker/config.json" \
    --to-ca-file $state/services/registry/ca.crt --to-plain-http=false "$quarantine@$digest" "$registry@$digest" >/dev/null
oras tag "${login[@]}" "$registry@$digest" "$tag" >/dev/null
[ "$(oras resolve "${login[@]}" "$registry:$tag")" = "$digest" ]

# Run it locked down, and wait until it is healthy.
docker --config "$work/docker" pull --quiet "$registry@$digest" >/dev/null
docker stop --time 10 "$name" >/dev/null 2>&1 && docker rm "$name" >/dev/null || true
docker network create "$name-network" >/dev/null 2>&1 || true
secrets=/var/lib/slipway/secrets/benchmark.$name
install -d -m 711 "$secrets"
install -m 400 -o 10001 -g 10001 $state/keys/db_password "$secrets/db_password"
docker run --detach --name "$name" --network "$name-network" --read-only --tmpfs /tmp:rw,noexec,nosuid,nodev,size=64m \
    --cgroupns private --cap-drop ALL --cap-add NET_BIND_SERVICE --security-opt no-new-privileges:true --memory 256m --memory-swap 256m \
    --cpus 1 --pids-limit 100 --ulimit nofile=1024:1024 --restart unless-stopped --stop-timeout 10 \
    --log-driver json-file --log-opt max-size=10m --log-opt max-file=3 --health-interval 1s \
    --publish "127.0.0.1:$port:8080" --mount "type=bind,src=$secrets/db_password,dst=/run/secrets/db_password,readonly" \
    "$registry@$digest" >/dev/null
until [ "$(docker inspect --format '{{.State.Health.Status}}' "$name")" = healthy ]; do sleep 0.1; done
