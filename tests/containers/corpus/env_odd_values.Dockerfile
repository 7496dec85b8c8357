FROM localhost/tiny
ENV A="a'b" B='a"b' C="back\\slash" D="\$HOME \`x\`" E='{{ x }}' F="%post" G="#no comment"
ENV H=http://x/?a=1&b=2 I=a;b J="tab	in" K=(x) L=*
CMD ["sh", "-c", "echo \"$A $B $C $D $E $F $G $H $I $J $K $L\""]
