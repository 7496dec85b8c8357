FROM localhost/tiny
ENV CONDA_DIR=/opt/conda \
    LANG=C.UTF-8 \
    LC_ALL=C.UTF-8
ENV PATH=${CONDA_DIR}/bin:${PATH}
RUN mkdir -p ${CONDA_DIR}/bin /root/.cache && \
    printf '#!/bin/sh\necho conda "$@"\n' > ${CONDA_DIR}/bin/conda && \
    chmod +x ${CONDA_DIR}/bin/conda && mkdir -p ${CONDA_DIR}/etc/profile.d && \
    echo "export SOURCED=yes" > ${CONDA_DIR}/etc/profile.d/conda.sh && \
    echo ". ${CONDA_DIR}/etc/profile.d/conda.sh" >> /etc/profile
SHELL ["/bin/sh", "-lc"]
RUN conda install -y "python=3.11" > /log
ENTRYPOINT ["conda", "run", "--no-capture-output", "-n", "env"]
CMD ["python", "-c", "print('a b')"]
