FROM localhost/tiny
ENV PATH=/opt/tool/bin:$PATH
ENV LD_LIBRARY_PATH=/opt/lib:$LD_LIBRARY_PATH
COPY rootfs /
RUN tool > /out; echo "$PATH" >> /out; echo "$LD_LIBRARY_PATH" >> /out
CMD ["tool"]
