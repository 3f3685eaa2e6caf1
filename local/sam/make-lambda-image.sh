#!/usr/bin/env bash
# Makes a likeness of Lambda's image (public.ecr.aws/lambda/python), where that cannot be pulled, out of this machine's Python.
# usage: make-lambda-image.sh PYTHON IMAGE     Linux on x86_64; 114 MB
# It holds the interpreter, its shared libraries, awslambdaric and boto3, as AWS's own image does.
set -euo pipefail
python=${1:?usage: make-lambda-image.sh PYTHON IMAGE} image=${2:?usage: make-lambda-image.sh PYTHON IMAGE}
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/var/{lang/{bin,lib},runtime,task,rapid} "$root"/{opt,tmp,bin,etc/ssl/certs,usr/bin,proc,dev,sys,root}
chmod 1777 "$root/tmp"
cp -L "$prefix/bin/python$minor" "$root/var/lang/bin/"
cp -a "$prefix/lib/python$minor" "$root/var/lang/lib/"
find "$prefix/lib" -maxdepth 1 -name "libpython$minor*.so*" -exec cp -a {} "$root/var/lang/lib/" \;
lib=$root/var/lang/lib/python$minor
rm -rf "$lib"/{test,idlelib,tkinter,turtledemo,ensurepip} "$lib"/config-* "$lib"/site-packages
find "$lib" -name __pycache__ -prune -exec rm -rf {} +
cp /bin/dash "$root/bin/sh"
for program in cat ls env rm mv chmod cp mkdir sleep; do cp "$(command -v "$program")" "$root/bin/"; done
cp "$root/bin/env" "$root/usr/bin/env"
"$python" -m pip install --quiet --disable-pip-version-check --target "$root/var/runtime" \
  --constraint <("$python" -m pip freeze) awslambdaric boto3
{
  find "$root" -type f \( -name '*.so*' -o -perm -u+x \) -print0 | xargs -0 ldd 2>/dev/null |
    grep -oE '/[^ ]+\.so[^ ]*' | grep -v "^$root" || true
  ls /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libnss_{dns,files}.so.2 /lib/x86_64-linux-gnu/libresolv.so.2
} | sort -u | while read -r library; do
  case $library in "$prefix"/lib/libpython*) ;; *) mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library" ;; esac
done
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/tmp:/bin/sh\n' > "$root/etc/passwd"
cat > "$root/lambda-entrypoint.sh" <<BOOTSTRAP
#!/bin/sh
export PYTHONPATH="\${LAMBDA_TASK_ROOT:-/var/task}:/opt/python/lib/python$minor/site-packages:/opt/python:/var/runtime:\$PYTHONPATH"
export AWS_EXECUTION_ENV=AWS_Lambda_python$minor
exec /var/lang/bin/python$minor -m awslambdaric "\$_HANDLER"
BOOTSTRAP
chmod +x "$root/lambda-entrypoint.sh"
cp "$root/lambda-entrypoint.sh" "$root/var/runtime/bootstrap"
tar -C "$root" -c . | docker import --change 'WORKDIR /var/task' --change 'ENV PATH=/var/lang/bin:/usr/bin:/bin' \
  --change 'ENV LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/opt/lib' --change 'ENV LAMBDA_TASK_ROOT=/var/task' \
  --change 'ENV LAMBDA_RUNTIME_DIR=/var/runtime' --change 'ENV LANG=C.UTF-8' --change 'ENTRYPOINT ["/lambda-entrypoint.sh"]' \
  - "$image" >/dev/null
