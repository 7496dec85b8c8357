FROM localhost/tiny
ADD a.txt b.txt /dst/
ADD src /src
ADD --chmod=711 run.sh /run_me.sh
ADD <<EOF /text
text
EOF
