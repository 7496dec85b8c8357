FROM localhost/tiny
ENV A=1 B="two words" C='single $A' D=$A-x
ENV OLD form   keeps  inner   "spaces" and \$dollar
ENV E=${A}2 F="$B!" G=a\ b H="quote\" inside" I='it' J=
ENV K="tail\\" L=\'x\' M=${UNSET} N=$A$B O="${A}" P=a$
RUN env | grep -E '^[A-Z]=' | sort > /env; env | grep ^OLD >> /env
