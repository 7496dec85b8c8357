FROM localhost/tiny
COPY src /src
COPY src/ /src_slash/
COPY conf /conf
COPY empty /empty
COPY src/pkg docs /merged/
COPY src/pkg/data /etc
