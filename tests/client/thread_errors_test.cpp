// What is told to a thread with its next call, and what need not be.
#include <steward/tests/client/session_core_test.hpp>

#include <steward/core/errors.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

// wait() is asked what is ready; it has no use for what went wrong before.
TEST_F(SessionCoreTest, ACallThatOnlyLooksLeavesErrorsForTheThreadsNextCall) {
  connect();
  post("fail", {encoded(std::string("too late"))});
  Told before;
  start(before, "park");
  flow();
  aside = true;
  Told looks, looks_too;
  start(looks, "echo", {encoded(1)}, Effect::read);
  flow();
  EXPECT_TRUE(looks.outcome.succeeded());
  aside = false;
  Told next;
  start(next, "add", {encoded(1)});
  flow();
  EXPECT_EQ(next.outcome.code, core::ErrorCode::bad_call);
  EXPECT_EQ(manager.runs("add"), 0U);
}

// Whether the unlock was done is known long before the session is lost.
TEST_F(SessionCoreTest, ARenewalAsksWhetherPostsHaveArrived) {
  connect();
  session.locked(kList, thread, 1, false, session.session());
  session.unlock(kList, thread, now);
  flow();
  session.renew(now);
  flow();
  EXPECT_EQ(manager.calls().back().method, "number_of_objects");
  session.renew(now);
  flow();
  EXPECT_EQ(manager.calls().size(), 2U) << "nothing is to be asked any more";
  session.frame(core::encode_unknown_session("its lease is over"), now);
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  Told next;
  start(next, "add", {encoded(1)});
  flow();
  EXPECT_TRUE(next.outcome.succeeded());
}

TEST_F(SessionCoreTest, ARenewalAsksOnceWhileNobodyAnswers) {
  connect();
  post("add", {encoded(1)});
  flow();
  silent = true;
  for (int i = 0; i < 10; ++i) session.renew(now);
  EXPECT_EQ(session.calls().awaited().size(), 1U);
}

}  // namespace
}  // namespace steward::detail::test
