FROM localhost/tiny
RUN <<EOF
echo one > /one
cd /tmp
pwd > /where
X=5
echo "$X" >> /where
EOF
RUN <<'EOF' cat > /quoted
$HOME `x` "$(y)"
EOF
RUN cat <<EOF > /shell && echo after >> /shell
home of $(whoami)
EOF
RUN <<-EOF
	echo tabs > /tabs
	EOF
RUN sh <<EOF
echo inner > /inner
EOF
RUN cat <<A <<B > /two
first
A
second
B
RUN 3<<EOF cat <&3 > /three
descriptor
EOF
