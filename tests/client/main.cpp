#include <cstdint>
#include <string_view>

#include <gtest/gtest.h>

#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/programs.hpp>

namespace {

using namespace steward;

int post_and_end(const char* address) {
  constexpr std::uint64_t kList = 3;
  // As one at namespace scope: its destructor runs after the exit handler.
  static const core::ReferencePtr late = [&] {
    const client::SessionPtr session = client::connect(address);
    return session->claim(test::list_token(session->incarnation(), kList));
  }();
  const std::string seven = test::arguments({test::encoded(std::int64_t{7})});
  client::session_of(late)->post(core::ObjectId{kList}, "add", seven);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == test::kPostAndEnd) return post_and_end(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
