FROM localhost/tiny
ENTRYPOINT ["/bin/sh", "-c", "echo \"$0\" \"$@\"; exit 7"]
