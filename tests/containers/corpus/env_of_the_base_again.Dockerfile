FROM localhost/tiny
ENV OLD=$PATH
ENV PATH=/first:$PATH
ENV PATH="/second:${PATH}" LATER=$PATH
ENV OTHER=${PATH:-none}
RUN echo "$OLD|$PATH|$LATER|$OTHER" > /out
