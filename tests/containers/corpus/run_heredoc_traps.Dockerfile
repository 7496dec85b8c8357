FROM localhost/tiny
RUN <<EOF cat > /traps
%post
  %files
Bootstrap: docker
bootstrap: x
{{ template }} {{{ more }}}
# not a comment
it's "quoted" \ backslash

empty line above
EOF
RUN printf '%s\n' \
 '%runscript' '{{ x }}' "it's" > /printed
