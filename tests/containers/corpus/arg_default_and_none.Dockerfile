FROM localhost/tiny
ARG V=1
ARG VERSION=2.0
ARG NOTHING
ARG X=a Y="b c"
RUN echo "$V $VERSION ${NOTHING-unset} $X $Y" > /out; env | grep -c ^V= >> /out
