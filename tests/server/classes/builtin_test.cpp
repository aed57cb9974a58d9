#include <gtest/gtest.h>

#include <steward/manager/server/class.hpp>

#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server {
namespace {

using testing::Hosted;
using testing::list_of;

std::string reads_of(const char* type) {
  const Registry registry = builtin_classes();
  std::string names;
  for (const Method& method : registry.find(type)->methods) {
    EXPECT_TRUE(method.read != nullptr || method.write != nullptr);
    if (method.is_read()) names += std::string(method.name) + ' ';
  }
  return names;
}

TEST(BuiltinClasses, AreThere) {
  const Registry registry = builtin_classes();
  for (const char* name : {"list", "dict", "queue", "lock", "rlock"}) {
    EXPECT_NE(registry.find(name), nullptr) << name;
  }
  EXPECT_EQ(registry.find("List"), nullptr);
}

TEST(BuiltinClasses, MethodsHaveNamesOfTheirOwn) {
  const Registry registry = builtin_classes();
  for (const auto& type : registry.classes()) {
    std::set<std::string_view> names;
    for (const Method& method : type->methods) {
      EXPECT_TRUE(names.insert(method.name).second) << type->name << '.' << method.name;
    }
    EXPECT_TRUE(names.contains("str")) << type->name;
  }
}

TEST(BuiltinClasses, ReadsAreMarked) {
  EXPECT_EQ(reads_of("list"), "index count copy size contains at slice str ");
  EXPECT_EQ(reads_of("dict"), "at get keys values items contains size copy str ");
  EXPECT_EQ(reads_of("queue"), "size empty full maxsize ready str ");
  EXPECT_EQ(reads_of("lock"), "locked token str ");
  EXPECT_EQ(reads_of("rlock"), "locked token str ");
}

TEST(BuiltinClasses, RefuseTooFewAndTooManyArguments) {
  Hosted list("list");
  EXPECT_EQ(list.refusal("append"), "bad_call: too few arguments: 0, expected 1");
  EXPECT_EQ(list.refusal("append", 1, 2), "bad_call: too many arguments: 2, expected 1");
  EXPECT_EQ(list.refusal("size", 1), "bad_call: too many arguments: 1, expected 0");
  EXPECT_EQ(list.refusal("add", 0), "bad_call: too few arguments: 1, expected 2 to 4");
  EXPECT_EQ(list.refusal("insert"), "bad_call: too few arguments: 0, expected 2");
  Hosted dict("dict");
  EXPECT_EQ(dict.refusal("set", "key"), "bad_call: too few arguments: 1, expected 2");
  Hosted lock("lock");
  EXPECT_EQ(lock.refusal("unlock", 1), "bad_call: too many arguments: 1, expected 0");
}

TEST(BuiltinClasses, RefuseArgumentsOfAnotherKind) {
  Hosted list("list", {list_of(1, 2)});
  EXPECT_TRUE(list.refusal("at", "first").starts_with("bad_call: argument 1: "));
  EXPECT_TRUE(list.refusal("set", 1.5, "x").starts_with("bad_call: argument 1: "));
  EXPECT_TRUE(list.refusal("extend", 1).starts_with("bad_call: argument 1: "));
  EXPECT_TRUE(list.refusal("slice", 0, "end", 1).starts_with("bad_call: argument 2: "));
  Hosted queue("queue");
  EXPECT_TRUE(queue.refusal("get_many", -1).starts_with("bad_call: argument 1: "));
  EXPECT_EQ(list.ask("copy"), list_of(1, 2)) << "a refused call changes nothing";
}

TEST(BuiltinClasses, RefuseWrongArgumentsOfTheirConstructors) {
  const auto creating = [](const char* type, const Value::List& arguments) {
    return testing::error_of([&] { Hosted hosted(type, arguments); });
  };
  EXPECT_TRUE(creating("list", {1}).starts_with("bad_call: argument 1: "));
  EXPECT_EQ(creating("list", {list_of(), 2}),
            "bad_call: too many arguments: 2, expected 1");
  EXPECT_EQ(creating("dict", {list_of(1)}),
            "bad_call: argument 1: expected [key, value], got 1");
  EXPECT_TRUE(creating("queue", {-1}).starts_with("bad_call: argument 1: "));
  EXPECT_EQ(creating("lock", {3}),
            "bad_call: argument 1: there is no policy 3; 0 is release, 1 abandon, 2 poison");
  EXPECT_EQ(creating("rlock", {nullptr}), "");
}

}  // namespace
}  // namespace steward::detail::server
