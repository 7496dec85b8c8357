FROM localhost/tiny
ENV NAME=world
COPY <<EOF /plain.txt
hello ${NAME}
"quotes" 'stay'
EOF
COPY <<'EOF' /literal.txt
hello ${NAME} $x {{ y }}
%post
EOF
COPY <<-EOF /tabs.txt
	tabs are cut
		twice
	EOF
COPY <<one <<two a.txt /several/
first
one
second
two
COPY --chmod=755 <<EOF /script
#!/bin/sh
echo script
EOF
CMD ["/script"]
