// Wrong calls in well-formed envelopes: each gets an error that names object and method, whatever
// the class, and the session goes on.
#include <set>

#include <steward/core/limits.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/tests/core/support.hpp>
#include <steward/tests/hostile/hostile_test.hpp>

namespace steward::detail::test {
namespace {

using core::ErrorCode;

class HostileCalls : public HostileTest {
 protected:
  // The session ends before what it has left behind is counted.
  void TearDown() override {
    bad.entrance.control.reset();
    HostileTest::TearDown();
  }

  // A call by bytes that waits for nothing.
  core::Seq send(core::ObjectId object, core::MethodKey method, std::string_view args) {
    const core::Seq seq = bad.next_seq++;
    bad.send(calls_frame(seq, object, method, args, bad.first_incomplete));
    return seq;
  }
  Answer raw(core::ObjectId object, core::MethodKey method, std::string_view args) {
    return bad.answer(send(object, method, args));
  }

  const server::Registry registry = server::builtin_classes();
  BareClient bad = stranger();
};

TEST_F(HostileCalls, EveryMethodRefusesWhatNoMethodTakes) {
  for (const auto& type : registry.classes()) {
    const core::ObjectId object = bad.create(type->name);
    for (const server::Method& method : type->methods) {
      const std::string name = std::string(type->name) + "#" +
                               std::to_string(core::number(object)) + "." +
                               std::string(method.name) + ": ";
      const std::vector<std::string> wrong = wrong_arguments();
      std::vector<core::Seq> calls;
      for (const std::string& args : wrong) calls.push_back(send(object, method.name, args));
      for (std::size_t i = 0; i < wrong.size(); ++i) {
        const Answer answer = bad.answer(calls[i]);
        EXPECT_EQ(answer.code, ErrorCode::bad_call) << name << hex(wrong[i].substr(0, 32));
        EXPECT_TRUE(answer.text.starts_with(name)) << answer.text;
        EXPECT_GT(answer.text.size(), name.size());
      }
    }
    is_served();
  }
}

TEST_F(HostileCalls, TheManagersMethodsRefuseItToo) {
  for (const std::string_view method :
       {"create", "claim", "lease", "revoke", "drop", "remove", "objects", "number_of_objects",
        "debug_info", "shutdown"}) {
    for (const std::string& args : wrong_arguments()) {
      const Answer answer = raw(core::kManagerObject, method, args);
      EXPECT_EQ(answer.code, ErrorCode::bad_call) << method << " " << hex(args.substr(0, 32));
      EXPECT_TRUE(answer.text.starts_with("manager." + std::string(method) + ": ")) << answer.text;
    }
  }
}

// One of every kind, in every number, at every place. Most of it is wrong; what is right is done,
// and what is not gets an error out of the table.
TEST_F(HostileCalls, EveryMethodAnswersEveryKindAndNumberOfArguments) {
  Value deep = 1;
  for (std::size_t i = 2; i < core::kValueDepth; ++i) deep = Value::List{deep};
  core::Token forged;
  forged.incarnation = bad.entrance.incarnation;
  forged.object = core::ObjectId{0xffff'ffff'ffffU};
  forged.type = "list";
  core::Token foreign = forged;
  foreign.incarnation.bytes.fill(0xee);
  const std::vector<Value> kinds{
      nullptr, true, INT64_MIN, INT64_MAX, UINT64_MAX, -1, 1e308, "text", Value::of_bytes("b"),
      Value::List{}, Value::List{1, 2}, Value::of_map({{1, 2}}), deep,
      Value::of_reference(std::make_shared<const core::Reference>(forged)),
      Value::of_reference(std::make_shared<const core::Reference>(foreign))};
  const std::set<ErrorCode> allowed{
      ErrorCode::ok,     ErrorCode::bad_call,  ErrorCode::out_of_range, ErrorCode::stale_handle,
      ErrorCode::closed, ErrorCode::timed_out, ErrorCode::not_owner};
  std::size_t wrong = 0;
  for (const auto& type : registry.classes()) {
    for (std::uint32_t method = 0; method < type->methods.size(); ++method) {
      const core::ObjectId object = bad.create(type->name);
      std::vector<core::Seq> calls;
      for (const Value& first : kinds) {
        for (const std::string& args :
             {arguments(first), arguments(first, first), arguments(Value(0), first),
              arguments(Value("k"), Value(1), first), arguments(Value(0), Value(0), first, first),
              arguments(Value(Value::List{first})),
              arguments(Value(Value::List{Value::List{first, first}}))}) {
          calls.push_back(send(object, method, args));
        }
      }
      for (const core::Seq seq : calls) {
        const Answer answer = bad.answer(seq);
        EXPECT_TRUE(allowed.contains(answer.code))
            << type->methods[method].name << ": " << answer.text;
        if (answer.code != ErrorCode::ok) ++wrong;
      }
      bad.first_incomplete = bad.next_seq;
    }
    is_served();
  }
  EXPECT_GT(wrong, 1000U);
}

TEST_F(HostileCalls, UnknownMethodsAndObjectsAreWrongCalls) {
  const core::ObjectId list = bad.create("list");
  const std::string method(255, 'm');
  EXPECT_EQ(raw(list, method, kNoArguments).code, ErrorCode::bad_call);
  EXPECT_EQ(raw(list, std::string_view(""), kNoArguments).code, ErrorCode::bad_call);
  EXPECT_EQ(raw(list, std::string_view("\xff\x00\n", 3), kNoArguments).code, ErrorCode::bad_call);
  EXPECT_EQ(raw(list, std::uint32_t{21}, kNoArguments).code, ErrorCode::bad_call);
  EXPECT_EQ(raw(list, UINT32_MAX, kNoArguments).code, ErrorCode::bad_call);
  EXPECT_EQ(raw(core::kManagerObject, std::uint32_t{0}, kNoArguments).code, ErrorCode::bad_call);
  for (const std::uint64_t object :
       {core::number(list) + 1000, UINT64_MAX, std::uint64_t{1} << 48U}) {
    const Answer answer = raw(core::ObjectId{object}, std::string_view("size"), kNoArguments);
    EXPECT_EQ(answer.code, ErrorCode::stale_handle) << answer.text;
  }
}

TEST_F(HostileCalls, ForgedHandlesAreStale) {
  const core::ObjectId list = bad.create("list");
  core::Token token;
  token.incarnation = bad.entrance.incarnation;
  token.type = "list";
  for (const std::uint64_t object : {std::uint64_t{0}, std::uint64_t{1} << 40U, UINT64_MAX}) {
    token.object = core::ObjectId{object};
    const Value forged = Value::of_reference(std::make_shared<const core::Reference>(token));
    EXPECT_EQ(bad.call(list, "append", forged).code, ErrorCode::stale_handle);
    EXPECT_EQ(bad.call(list, "append", Value(Value::List{Value::of_map({{"k", forged}})})).code,
              ErrorCode::stale_handle);
    EXPECT_EQ(bad.call(core::kManagerObject, "claim", Value(object)).code,
              ErrorCode::stale_handle);
  }
  // A handle that says it is something else stays what it is.
  token.object = list;
  token.type = "queue";
  bad.get(list, "append", Value::of_reference(std::make_shared<const core::Reference>(token)));
  EXPECT_EQ(bad.get(list, "at", Value(0)).reference()->token().type, "list");
  bad.get(list, "clear");
}

TEST_F(HostileCalls, WrongNumbersOfReferencesTakeNothingFromOthers) {
  const core::ObjectId list = bad.create("list");
  const auto drop = [&](std::uint64_t object, std::uint64_t count) {
    const Value pair(std::vector<std::uint64_t>{object, count});
    return bad.call(core::kManagerObject, "drop", Value(Value::List{pair})).code;
  };
  // The good client's list is number 1: the stranger has no reference that it could give back.
  EXPECT_EQ(drop(1, 1), ErrorCode::ok);
  EXPECT_EQ(drop(0, UINT64_MAX), ErrorCode::ok);
  is_served();
  EXPECT_EQ(drop(core::number(list), UINT64_MAX), ErrorCode::ok);
  EXPECT_EQ(bad.call(list, "size").code, ErrorCode::stale_handle);
  EXPECT_EQ(drop(core::number(list), 1), ErrorCode::ok);
}

TEST_F(HostileCalls, APostThatFailsIsAnsweredAndOneThatSucceedsIsNot) {
  const core::ObjectId list = bad.create("list");
  const auto post = [&](core::Seq seq, std::string_view method) {
    std::string bytes;
    core::append_call(bytes, {seq, 1, std::nullopt, list, method, kNoArguments, true});
    bad.send(core::encode_calls(1, {bytes}));
  };
  const core::Seq fails = bad.next_seq++;
  const core::Seq succeeds = bad.next_seq++;
  post(succeeds, "clear");
  post(fails, "pop");
  EXPECT_EQ(bad.answer(fails).code, ErrorCode::out_of_range);
  EXPECT_EQ(bad.get(list, "size").integer(), 0);
  for (const auto& [seq, answer] : bad.answers) EXPECT_NE(seq, succeeds);
}

}  // namespace
}  // namespace steward::detail::test
