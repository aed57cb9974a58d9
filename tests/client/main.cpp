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
  static const detail::core::ReferencePtr late = [&] {
    const detail::client::SessionPtr session = detail::client::connect(address);
    return session->claim(detail::test::list_token(session->incarnation(), kList));
  }();
  const std::string seven = detail::test::arguments({detail::test::encoded(std::int64_t{7})});
  detail::client::session_of(late)->post(detail::core::ObjectId{kList}, "add", seven);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == detail::test::kPostAndEnd)
    return post_and_end(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
