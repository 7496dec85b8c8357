FROM localhost/tiny
RUN mkdir -p /usr/lib /real && ln -s usr/lib /lib && ln -s /real /linked
COPY a.txt /lib/
COPY a.txt /linked/inside
COPY src/pkg /linked/pkg
