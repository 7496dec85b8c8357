FROM localhost/tiny
ARG A=arg
ENV A=env
RUN echo $A > /out
ARG A=later
RUN echo $A >> /out
ENV B=${A}-b
ARG C=$B-c
ENV D=$C
