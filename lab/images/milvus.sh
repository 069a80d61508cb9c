#!/bin/sh
# Milvus 2.3 reads one file; newer charts bring three. Merge them as newer servers do, then become the server.
set -eu
run=${MILVUS_RUNTIME_DIR:-/tmp/milvus}
mkdir -p "$run/configs"
files=/milvus/configs/milvus.yaml
for file in /milvus/configs/default.yaml /milvus/configs/user.yaml; do
    if [ -s "$file" ]; then files="$files $file"; fi
done
# shellcheck disable=SC2086  a list of fixed names
/milvus/bin/yq eval-all '. as $item ireduce ({}; . * $item)' $files > "$run/configs/milvus.yaml"
cp /milvus/configs/glog.conf "$run/configs/glog.conf"
cd "$run"
export MILVUSCONF="$run/configs" LD_LIBRARY_PATH=/milvus/lib DEPLOY_MODE="${DEPLOY_MODE:-STANDALONE}"
exec /milvus/bin/milvus-server "$@"
