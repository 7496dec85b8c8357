FROM localhost/tiny
USER app:app
RUN ["/bin/sh", "-c", "id -un > /tmp/who; printf '%s|' \"$0\" \"$@\" >> /tmp/who", "a b", "it's", "$x"]
RUN <<EOF
whoami >> /tmp/who
EOF
