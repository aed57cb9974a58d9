#include <gtest/gtest.h>

#include <steward/process/start_method.hpp>

int main(int argc, char** argv) {
  steward::child_entry(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
