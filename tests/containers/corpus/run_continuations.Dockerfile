FROM localhost/tiny
RUN echo a \
    # a comment inside
    b \

    c \
  # another
    > /out
RUN echo one \\ two > /slashes
RUN echo 'single \
quoted' > /quoted
RUN true && \
    true \   
 && echo spaces behind > /spaces
ENV A=1 \
    # comment
    B=2
RUN echo "hash # stays" > /hash # comment of the shell
