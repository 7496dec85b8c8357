FROM localhost/tiny
COPY *.txt /txt/
COPY docs/*.md docs/*/*/*.md /md/
COPY ?.txt /one/
COPY [ab].txt /set/
COPY conf/app.conf* /conf/
COPY s*c /sources/
