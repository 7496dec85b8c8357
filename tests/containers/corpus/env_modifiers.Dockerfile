FROM localhost/tiny
ENV SET=value EMPTY=
ENV A=${SET:-no} B=${EMPTY:-empty} D=${NONE:-${SET}} E=${SET:+plus} F=${NONE:+plus}
ENV H=${NONE:-"quoted default"} I=${SET:-a}${NONE:-b}
RUN env | grep -E '^[A-I]=' | sort > /env
