// LeasedHandles has what lives, and does not grow by what does not.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include <steward/client/leased_handles.hpp>
#include <steward/tests/client/fake_manager.hpp>

namespace steward::detail::test {
namespace {

TEST(LeasedHandles, KnowsThoseThatLiveAndForgetsTheOthers) {
  client::LeasedHandles handles;
  std::vector<core::ReferencePtr> kept;
  std::vector<core::Nonce> leases;
  for (std::size_t i = 0; i < 10'000; ++i) {
    core::Token token = list_token(core::random_id<core::Incarnation>(), i + 1);
    token.nonce = core::random_id<core::Nonce>();
    const auto reference = std::make_shared<const core::Reference>(token);
    handles.note(*token.nonce, reference);
    if (i % 100 != 0) continue;
    kept.push_back(reference);
    leases.push_back(*token.nonce);
  }
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(handles.find(leases[i]), kept[i]);
  EXPECT_LT(handles.size(), 4 * kept.size());
  kept.front().reset();
  EXPECT_EQ(handles.find(leases.front()), nullptr);
  EXPECT_EQ(handles.find(core::random_id<core::Nonce>()), nullptr);
}

}  // namespace
}  // namespace steward::detail::test
