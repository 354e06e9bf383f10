#!/bin/sh
# A certificate authority of your own, and a certificate of the tent's host signed by it, for HTTPS in the home network.
#   sh deploy/make-certificate.sh DIRECTORY NAME [IP]        e.g. ... /etc/tomato-host/tls tomato.local 192.168.1.20
# Run again it renews the host's certificate and keeps the authority, so that the phones need nothing new.
set -eu
folder=$1; name=$2; address=${3:-}
umask 077
mkdir -p "$folder"
cd "$folder"
if [ ! -f ca.key ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  # pathlen:0 and the name constraint: whoever steals this key can sign for this name and address alone.
  permitted="permitted;DNS:$name"
  [ -z "$address" ] || permitted="$permitted,permitted;IP:$address/255.255.255.255"
  openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=Tomato home CA ($name)" -out ca.crt \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -addext "nameConstraints=critical,$permitted"
fi
names="DNS:$name"
[ -z "$address" ] || names="$names,IP:$address"
openssl ecparam -name prime256v1 -genkey -noout -out host.key
openssl req -new -key host.key -subj "/CN=$name" -out host.csr
printf '%s\n' "subjectAltName=$names" "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
  "extendedKeyUsage=serverAuth" > host.ext
# 397 days: what Apple's devices accept at most.
openssl x509 -req -in host.csr -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days 397 -extfile host.ext -out host.crt
cat ca.crt >> host.crt
rm -f host.csr host.ext
chmod 644 ca.crt host.crt
echo "ca.crt is for the phones; tls_certificate = \"$PWD/host.crt\", tls_key = \"$PWD/host.key\"; keep ca.key off this machine."
