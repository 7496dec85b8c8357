FROM localhost/tiny
ARG DIR=docs
ENV TARGET=/var/lib/x
COPY $DIR/index.md ${TARGET}/
COPY --chmod=600 ${DIR:-src}/notes.txt $TARGET/$DIR.txt
WORKDIR $TARGET/work
RUN pwd > /where
