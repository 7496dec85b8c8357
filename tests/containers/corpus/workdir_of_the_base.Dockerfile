FROM localhost/variable
ENV BELOW=$BASE_FOLDER/below
WORKDIR ${BELOW}/x
RUN pwd > /where
COPY a.txt .
COPY a.txt $BASE_FOLDER/y/
ENV OTHER="${BASE_FOLDER:-none} ${BASE_FOLDER:+set} ${BASE_FOLDER}"
WORKDIR $BASE_FOLDER
CMD pwd; echo $BELOW
