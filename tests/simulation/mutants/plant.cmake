# cmake -DSOURCE=a.cc -DFROM=from.txt -DTO=to.txt -DOUTPUT=b.cc -P plant.cmake: OUTPUT is SOURCE with the
# one occurrence of FROM replaced by TO.
file(READ "${SOURCE}" text)
file(READ "${FROM}" from)
file(READ "${TO}" to)
string(FIND "${text}" "${from}" first)
string(FIND "${text}" "${from}" last REVERSE)
if(first EQUAL -1 OR NOT first EQUAL last)
  message(FATAL_ERROR "${FROM} must occur exactly once in ${SOURCE}\n"
          "  fix: let FROM in tests/simulation/mutants/mutants.cmake follow the change there")
endif()
string(REPLACE "${from}" "${to}" text "${text}")
file(WRITE "${OUTPUT}" "${text}")
