#include <string_view>

#include <gtest/gtest.h>

#include <steward/process/start_method.hpp>

#include <steward/tests/process/programs.hpp>

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == steward::detail::test::kWithoutChildEntry) {
    return steward::detail::test::without_child_entry(argv[2]);
  }
  steward::child_entry(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
