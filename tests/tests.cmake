# What outboard_test() needs: a target for each label, options, the shared precompiled header.

set(OUTBOARD_TEST_LABELS unit contract simulation integration chaos hostile)
foreach(label ${OUTBOARD_TEST_LABELS} tsan)
  add_custom_target(outboard_tests_${label})
endforeach()

# The tests' own code is compiled without optimization in every tree: half of a tree's time went into optimizing
# GoogleTest's expansions. The code under test has the tree's options.
#
# The code under test carries all of UBSan. The tests' own goes without the checks of each access to memory:
# GoogleTest's expansions take twice as long to compile with them, and AddressSanitizer watches the same accesses.
add_library(outboard_test_options INTERFACE)
target_link_libraries(outboard_test_options INTERFACE outboard_options)
target_compile_options(outboard_test_options INTERFACE -O0)
if(OUTBOARD_SANITIZE MATCHES "undefined")
  target_compile_options(outboard_test_options INTERFACE -fno-sanitize=null,alignment,vptr,object-size)
endif()

# GoogleTest's headers, parsed once; not in the tree of clang's tools, which take each source by itself.
option(OUTBOARD_TEST_PCH "Share one precompiled header among the tests" ON)
if(OUTBOARD_TEST_PCH AND (OUTBOARD_SANITIZE OR CMAKE_CXX_COMPILER_ID STREQUAL "GNU"))
  # A program like its users: gcc refuses the file to whoever compiles with other options (-fPIE).
  add_executable(outboard_test_pch EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/pch.cc)
  target_link_libraries(outboard_test_pch PRIVATE outboard_test_options GTest::gmock)
  target_precompile_headers(outboard_test_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h>
                            <absl/status/statusor.h> <string> <vector>)
endif()

# True in `out` if `target` links `needle`, itself or by others.
function(links_library out target needle)
  set(todo ${target})
  set(seen "")
  set(${out} FALSE PARENT_SCOPE)
  while(todo)
    list(POP_FRONT todo item)
    if(item STREQUAL needle)
      set(${out} TRUE PARENT_SCOPE)
      return()
    endif()
    if(NOT TARGET ${item} OR item IN_LIST seen)
      continue()
    endif()
    list(APPEND seen ${item})
    foreach(property LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
      get_target_property(more ${item} ${property})
      if(more)
        list(APPEND todo ${more})
      endif()
    endforeach()
  endwhile()
endfunction()

# ThreadSanitizer reports false races inside Debian's gRPC, so it gates what links none of it.
function(refuse_grpc test)
  links_library(grpc ${test} PkgConfig::GRPCPP)
  if(grpc)
    message(FATAL_ERROR "${test} links gRPC: no THREADS for it, or test its logic apart from gRPC")
  endif()
endfunction()
