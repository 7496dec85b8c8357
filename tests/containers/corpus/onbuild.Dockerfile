FROM localhost/tiny AS base
ONBUILD RUN echo triggered > /triggered
ONBUILD COPY a.txt /from_trigger
ONBUILD ENV TRIGGERED=yes
FROM base
RUN echo "$TRIGGERED" >> /triggered
