#include <unistd.h>

#include <gtest/gtest.h>

#include <steward/process/start_method.hpp>

namespace {

const pid_t program = ::getpid();

}  // namespace

// Of a forked copy the address sanitizer does not see the stack: what that refers to seems lost.
extern "C" int __lsan_is_turned_off() { return ::getpid() != program ? 1 : 0; }

int main(int argc, char** argv) {
  steward::child_entry(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
