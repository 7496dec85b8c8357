FROM localhost/tiny
ENV SET=value EMPTY=
ENV A=${SET:-no} B=${EMPTY:-empty} C=${EMPTY-dash} D=${NONE:-${SET}} E=${SET:+plus} F=${NONE:+plus} G=${EMPTY+p}
ENV H=${NONE-"quoted default"} I=${SET:-a}${NONE:-b}
RUN env | grep -E '^[A-I]=' | sort > /env
