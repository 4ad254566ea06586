// test/fuzz/control.mjs: exceptions and tail calls for the bodies of smith.mjs.
//
// Node knows only the legacy form of exceptions.  The same random choices give
// the module in both forms, legacy for Node and (m.exnref) with try_table and
// throw_ref, where a handler is what follows the end of a block of its own.

const I32 = 0x7f, FUNCREF = 0x70, EXNREF = 0x69, EMPTY = 0x40;

function uleb(n) {
    return n < 0x80 ? [n] : [(n & 0x7f) | 0x80, n >> 7];
}

export const control = {
    // try BODY, then `delegate` or handlers; leaves a value when type is not
    // null.
    attempt(type) {
        const count = this.below(3);
        const tags = Array.from({ length: count },
                                () => this.below(this.m.tags.length));

        if (this.chance(15))
            return this.delegate(type);
        if (count === 0 || this.chance(40))
            tags.push(null);
        if (this.m.exnref)
            this.tryTable(type, tags);
        else
            this.tryLegacy(type, tags);
    },

    guarded(type) {
        this.statements(1 + this.below(3));
        if (type !== null)
            this.expression(type, 2);
    },

    delegate(type) {
        if (!this.m.exnref) {
            this.put(0x06, type ?? EMPTY);
            this.open(type);
            this.guarded(type);
            this.close();
            // Others than the next have no equal in the new form.
            this.put(0x18, ...uleb(this.m.both ? 0
                : this.below(this.labels.length + 1)));
            return;
        }
        this.put(0x02, type ?? EMPTY);
        this.open(type);
        this.put(0x02, EXNREF, 0x1f, type ?? EMPTY, 1, 3, 0);
        this.nesting += 2;
        this.guarded(type);
        this.nesting -= 2;
        this.put(0x0b, 0x0c, 1, 0x0b, 0x0a); // end, br, end, throw_ref
        this.close();
        this.put(0x0b);
    },

    tryLegacy(type, tags) {
        this.put(0x06, type ?? EMPTY);
        this.open(type);
        this.guarded(type);
        for (const tag of tags) {
            this.put(...(tag === null ? [0x19] : [0x07, ...uleb(tag)]));
            this.handle(type, tag);
        }
        this.close();
        this.put(0x0b);
    },

    tryTable(type, tags) {
        const count = tags.length;

        this.put(0x02, type ?? EMPTY);
        this.open(type);
        for (const tag of [...tags].reverse())
            this.put(0x02, ...(tag === null ? [EXNREF]
                                            : uleb(this.m.caught[tag])));
        this.put(0x1f, type ?? EMPTY, count);
        tags.forEach((tag, i) =>
            this.put(...(tag === null ? [3] : [1, ...uleb(tag)]), i));
        this.nesting += count + 1;
        this.guarded(type);
        this.nesting--;
        this.put(0x0b);
        tags.forEach((tag, i) => {
            this.put(0x0c, ...uleb(count - i), 0x0b); // leave, or be caught
            this.nesting--;
            this.handle(type, tag);
        });
        this.close();
        this.put(0x0b);
    },

    handle(type, tag) {
        const exception = this.locals.push(this.m.exnref ? EXNREF : FUNCREF) - 1;

        if (this.m.exnref)
            this.put(0x21, ...uleb(exception));
        for (const p of tag === null ? [] : [...this.m.tags[tag]].reverse()) {
            const local = this.localOf(p);
            this.put(...(local ? [0x21, ...local] : [0x1a]));
        }
        this.handlers.push({ label: this.labels.length - 1, exception });
        this.statements(1 + this.below(2));
        if (type !== null)
            this.expression(type, 2);
        this.handlers.pop();
    },

    // What leaves this code, most often under a condition.
    leave(what) {
        const always = this.chance(10);

        if (!always) {
            this.expression(I32, 2);
            this.put(0x04, EMPTY);
            this.open(null);
        }
        what();
        if (!always) {
            this.close();
            this.put(0x0b);
        }
    },

    raise() {
        const tag = this.below(this.m.tags.length);

        for (const p of this.m.tags[tag])
            this.expression(p, 2);
        this.put(0x08, ...uleb(tag));
    },

    raiseAgain() {
        const { label, exception } =
            this.handlers[this.below(this.handlers.length)];

        if (this.m.exnref)
            this.put(0x20, ...uleb(exception), 0x0a);
        else
            this.put(0x09, ...uleb(this.depth(label)));
    },

    tailCall() {
        const same = this.m.funcs.filter((f) =>
            String(this.m.types[f].results) === String(this.type.results));
        const index = same[this.below(same.length)];

        for (const p of this.m.types[index].params)
            this.expression(p, 1);
        if (this.chance(60))
            this.put(0x12, ...uleb(index));
        else
            this.put(0x41, ...uleb(index), 0x13, ...uleb(index), 0);
    },

    controlStatement() {
        const dice = this.below(100);

        if (dice < 50)
            this.attempt(null);
        else if (dice < 75)
            this.leave(() => this.raise());
        else if (dice < 85 && this.handlers.length > 0)
            this.leave(() => this.raiseAgain());
        else
            this.leave(() => this.tailCall());
    },
};
