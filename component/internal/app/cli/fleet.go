package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"golang.org/x/time/rate"

	"github.com/shadowgpio/shadowgpio/component/internal/app/client"
	"github.com/shadowgpio/shadowgpio/component/internal/app/fleet"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/printable"
	"github.com/shadowgpio/shadowgpio/component/internal/gateway/command"
)

const fleetText = `shadowctl fleet changes what is desired of many things at once, with guard rails, and tells
how far a fleet is from what is desired of it.`

func fleetCommand(env Env) *cobra.Command {
	return command.Group("fleet", "change and survey the shadows of many things", fleetText,
		fleetSetCommand(env), fleetResumeCommand(env), fleetUndoCommand(env), fleetShowCommand(env), fleetReportCommand(env))
}

// fleetOptions are those that commands about many things share.
type fleetOptions struct {
	env Env
	*reach
	rate        float64
	concurrency int
	asJSON      bool
}

func fleetFlags(c *cobra.Command, env Env, concurrency int) *fleetOptions {
	o := &fleetOptions{env: env, reach: reachFlags(c, env)}
	c.Flags().Float64Var(&o.rate, "rate", 50, "at most this `NUMBER` of requests a second; AWS allows 400")
	c.Flags().IntVar(&o.concurrency, "concurrency", concurrency, "`NUMBER` of things at a time")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return o
}

// check says what of the options is out of range.
func (o *fleetOptions) check() error {
	switch {
	case o.rate <= 0:
		return fmt.Errorf("--rate: want a number above 0, got %v", o.rate)
	case o.concurrency < 1:
		return fmt.Errorf("--concurrency: want 1 or more, got %d", o.concurrency)
	case o.core:
		return errors.New("--core: a fleet is reached through the cloud")
	}
	return nil
}

// connect opens the service at the rate of the options.
func (o *fleetOptions) connect(ctx context.Context) (*client.Pace, error) {
	s, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	return client.Paced(s, rate.Limit(o.rate)), nil
}

// where names what the shadows are in, so that a change is taken up there only.
func (o *fleetOptions) where(ctx context.Context) (string, error) {
	_, dev, err := o.dev()
	if err != nil {
		return "", err
	}
	if dev {
		return "shadowctl dev in " + string(*o.env.Dir), nil
	}
	account, err := o.account(ctx)
	if err != nil {
		return "", err
	}
	return account.DataEndpoint(ctx)
}

func selectionFlags(c *cobra.Command) *fleet.Selection {
	s := &fleet.Selection{}
	c.Flags().StringSliceVar(&s.Things, "things", nil, "`NAMES` of things, divided by commas")
	c.Flags().StringVar(&s.File, "file", "", "`FILE` with the name of a thing on each line")
	c.Flags().StringVar(&s.Group, "group", "", "`NAME` of a thing group of AWS IoT")
	c.Flags().StringVar(&s.Query, "query", "", "`QUERY` of the fleet index of AWS IoT, such as thingName:pump-*")
	return s
}

func (o *fleetOptions) find(ctx context.Context, s *fleet.Selection) ([]string, error) {
	if len(s.Things) == 0 && s.File+s.Group+s.Query == "" {
		return nil, command.UsageError(errors.New("want things, by --things, --file, --group or --query; got none"))
	}
	return s.Find(ctx, func() (fleet.Registry, error) {
		account, err := o.account(ctx)
		if err != nil {
			return nil, err
		}
		return account.API()
	})
}

// bar shows how far something is, on a terminal.
func (o *fleetOptions) bar(total int, what string) *progressbar.ProgressBar {
	w := io.Discard
	if f, ok := o.env.Stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w = f
	}
	return progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
}

const railsText = `

Guard rails: the first --canary things of a new change go before the others, and all of them have to be
done; after --stop-after things that refused or failed no further one is begun. A thing
that does not answer in --wait stays desired, and obeys when it is back.

Exit codes: 0 all that were to be changed are done; 1 failed, or some things could not be asked; 2
wrong usage; 3 some have not answered in time; 4 some have refused, or somebody desired something
else of them meanwhile; 6 a guard rail has stopped the change.` + reachText

// railFlags adds the guard rails. It returns what says which are out of range.
func railFlags(c *cobra.Command) (*fleet.Rails, func() error) {
	r := &fleet.Rails{}
	c.Flags().IntVar(&r.StopAfter, "stop-after", 5, "stop after this `NUMBER` that refused or failed; 0 is never")
	c.Flags().DurationVar(&r.Wait, "wait", 30*time.Second, "how long a thing may take to answer, a `DURATION`")
	return r, func() error {
		if r.StopAfter < 0 {
			return fmt.Errorf("--stop-after: want 0 or more, got %d", r.StopAfter)
		}
		if r.Wait <= 0 {
			return fmt.Errorf("--wait: want more than 0s, got %v", r.Wait)
		}
		return nil
	}
}

// canaryFlag adds that of a new change. It returns how many of its things go first.
func canaryFlag(c *cobra.Command) func(things int) (int, error) {
	text := c.Flags().String("canary", "1", "how many things are changed first, a `NUMBER` or a percentage such as 2%")
	return func(things int) (int, error) {
		n, err := portion(*text, things)
		if err != nil {
			return 0, fmt.Errorf("--canary: %w", err)
		}
		return n, nil
	}
}

// portion reads a number, or a percentage of a total, rounded up.
func portion(text string, total int) (int, error) {
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || percent && n > 100 {
		return 0, fmt.Errorf("want a number such as 10 or a percentage such as 2%%, got %q", text)
	}
	if percent {
		n = (n*total + 99) / 100
	}
	return n, nil
}

const fleetSetText = `shadowctl fleet set desires the same values of many things. It shows what it would do, and
asks before it does it. The course is kept in a journal: a change that was stopped,
interrupted or killed is taken up by "fleet resume", and taken back by "fleet undo".` + railsText

func fleetSetCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "set PROPERTY=VALUE...", Short: "desire values of many things", Long: fleetSetText, Args: command.Arguments(1, -1, "PROPERTY=VALUE"),
		Example: `  shadowctl fleet set limit=95 --group coffee-makers --canary 2% --stop-after 10
  shadowctl fleet set limit=95 --query 'thingName:coffee-* AND shadow.reported.limit<95' --dry-run
  shadowctl fleet set mode=eco --file things.txt --shadow control --yes`,
	}
	o := fleetFlags(c, env, 50)
	selection, shadowName := selectionFlags(c), c.Flags().String("shadow", "", "`NAME` of a named shadow; the classic shadow without it")
	rails, check := railFlags(c)
	canaries := canaryFlag(c)
	create := c.Flags().Bool("create", false, "also change things that have no shadow yet")
	dryRun := c.Flags().Bool("dry-run", false, "show what would be done, and end")
	yes := c.Flags().Bool("yes", false, "do not ask")
	journal := c.Flags().String("journal", "", "new `FILE` for the journal; else ~/.local/state/shadowgpio/fleet")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		desired, err := client.ParseDesired(args)
		if err == nil {
			_, wrong := canaries(0)
			err = errors.Join(o.check(), check(), wrong)
		}
		if err != nil {
			printable.Fprintln(env.Stderr, "shadowctl fleet set:", err)
			return command.Usage
		}
		things, err := o.find(ctx, selection)
		if err != nil {
			return fail(env, err)
		}
		s, err := o.connect(ctx)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		chosen, err := o.preview(ctx, s, *shadowName, things, desired, *create, *dryRun)
		if err != nil {
			return fail(env, err)
		}
		if *dryRun || len(chosen) == 0 {
			return command.OK
		}
		if !*yes && !o.agreed(ctx, fmt.Sprintf("Change %d things?", len(chosen))) {
			return fail(env, errors.New("nothing was changed; --yes agrees without being asked"))
		}
		where, err := o.where(ctx)
		if err != nil {
			return fail(env, err)
		}
		header := fleet.Header{At: time.Now().UTC(), Where: where, Shadow: *shadowName}
		for _, thing := range chosen {
			header.Targets = append(header.Targets, fleet.Target{Thing: thing, Desired: desired})
		}
		if header.Canaries, err = canaries(len(chosen)); err != nil {
			return fail(env, err)
		}
		return o.begin(ctx, s, *journal, header, *rails)
	})
	return c
}

// previewed is what would be done, as --json prints it where nothing else is done.
type previewed struct {
	Total   int           `json:"total"`
	Change  []string      `json:"change"`
	Already int           `json:"already"`
	Absent  int           `json:"absent"` // left out, without a shadow
	Present []fleet.Share `json:"present"`
}

// preview shows what a change would do, and chooses the things that it is about.
func (o *fleetOptions) preview(ctx context.Context, s client.Service, shadowName string, things []string, desired map[string]any, create, dryRun bool) (chosen []string, err error) {
	bar := o.bar(len(things), "reading shadows")
	prospects, err := fleet.Preview(ctx, s, shadowName, things, o.concurrency, func() { bar.Add(1) })
	bar.Finish()
	if err != nil {
		return nil, err
	}
	var already, absent int
	for _, p := range prospects {
		switch {
		case p.Err != nil:
			return nil, p.Err
		case p.Document.Version == 0 && !create:
			absent++
		case p.Document.Version > 0 && p.Already(desired):
			already++
		default:
			chosen = append(chosen, p.Thing)
		}
	}
	shares := fleet.Shares(prospects, desired)
	if o.asJSON && (dryRun || len(chosen) == 0) {
		return chosen, command.PrintJSON(o.env.Stdout, previewed{len(things), append([]string{}, chosen...), already, absent, append([]fleet.Share{}, shares...)})
	}
	w := o.env.Stderr
	printable.Fprintf(w, "%d things: %d to change, %d as desired already", len(things), len(chosen), already)
	if absent > 0 {
		printable.Fprintf(w, ", %d without a shadow, which are left out (--create takes them in)", absent)
	}
	printable.Fprintln(w)
	printShares(w, shares, desired)
	return chosen, nil
}

// maxShares is how many rows sum up the present values.
const maxShares = 12

func printShares(w io.Writer, shares []fleet.Share, desired map[string]any) {
	table := printable.NewTable(w, 3)
	table.Row("PROPERTY", "DESIRED NOW", "REPORTED NOW", "THINGS", "TO BE DESIRED")
	for i, s := range shares {
		if i == maxShares {
			table.Row(printable.Sprintf("… and %d rows more", len(shares)-i))
			break
		}
		to := "nothing"
		if value := desired[s.Property]; value != nil {
			to = client.Text(value)
		}
		table.Row(s.Property, s.Desired, s.Reported, s.Things, to)
	}
	table.Flush()
}

// agreed asks a person. Where there is none, or ctx is done, the answer is no.
func (o *fleetOptions) agreed(ctx context.Context, question string) bool {
	printable.Fprintf(o.env.Stderr, "%s [y/N] ", question)
	if o.env.Stdin == nil {
		return false
	}
	typed := make(chan string, 1)
	go func() { // which ends with the program where nobody types
		text, _ := bufio.NewReader(o.env.Stdin).ReadString('\n')
		typed <- text
	}()
	answer := ""
	select {
	case answer = <-typed:
	case <-ctx.Done():
	}
	if answer == "" {
		printable.Fprintln(o.env.Stderr)
	}
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

// begin begins a journal and carries out its change.
func (o *fleetOptions) begin(ctx context.Context, s *client.Pace, path string, h fleet.Header, rails fleet.Rails) int {
	if path == "" {
		dir := filepath.Join(filepath.Dir(string(*o.env.Dir)), "fleet")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fail(o.env, err)
		}
		path = filepath.Join(dir, h.At.Format("20060102-150405.000")+".jsonl")
	}
	j, err := fleet.Create(path, h)
	if err != nil {
		return fail(o.env, err)
	}
	defer j.Close()
	return o.carryOut(ctx, s, j, rails)
}

// carryOut carries out what is left of a change, and sums it up.
func (o *fleetOptions) carryOut(ctx context.Context, s *client.Pace, j *fleet.Journal, rails fleet.Rails) int {
	rails.Concurrency = o.concurrency
	before := s.Requests()
	bar := o.bar(len(j.Header.Targets), "changing things")
	count := j.Count()
	bar.Set(count.Total - count.Left)
	began := time.Now()
	change := &fleet.Change{Journal: j, Service: s, Rails: rails, Ended: func(string, fleet.Result) { bar.Add(1) }}
	err := change.Run(ctx)
	bar.Exit()
	took, requests := time.Since(began), s.Requests()-before
	if o.asJSON {
		return o.ended(err, j, printJSON(o.env, journalView(j)))
	}
	printJournal(o.env.Stdout, j)
	printable.Fprintf(o.env.Stdout, "took %.1f s for %d requests, which take %.1f s at least at %v a second\n", took.Seconds(), requests, float64(requests)/o.rate, o.rate)
	return o.ended(err, j, command.OK)
}

// ended says how a run ended and what can be typed next.
func (o *fleetOptions) ended(err error, j *fleet.Journal, code int) int {
	w := o.env.Stderr
	if err = because(o.env, err); err != nil && !errors.Is(err, command.ErrNoReader) {
		printable.Fprintln(w, "shadowctl:", err)
	}
	printable.Fprintf(w, "journal   %s\n", j.Path())
	if j.Count().Left > 0 {
		printable.Fprintf(w, "go on     %s fleet resume %s\n", command.Invocation(), j.Path())
	}
	printable.Fprintf(w, "undo      %s fleet undo %s\n", command.Invocation(), j.Path())
	outcomes := j.Count().Outcomes
	switch {
	case errors.Is(err, fleet.ErrStopped):
		return command.Stopped
	case err != nil, outcomes[fleet.Failed] > 0:
		return command.Failure
	case outcomes[client.Refused]+outcomes[client.Overruled] > 0:
		return command.Refused
	case outcomes[client.Unanswered] > 0:
		return command.Timeout
	}
	return code
}

// journalSummary is a journal as --json prints it.
type journalSummary struct {
	Journal string `json:"journal"`
	Shadow  string `json:"shadow,omitempty"`
	fleet.Count
	Things map[string]fleet.Result `json:"things"` // those that have a result
}

func journalView(j *fleet.Journal) journalSummary {
	v := journalSummary{Journal: j.Path(), Shadow: j.Header.Shadow, Count: j.Count(), Things: map[string]fleet.Result{}}
	for _, t := range j.Header.Targets {
		if r, ok := j.Result(t.Thing); ok {
			v.Things[t.Thing] = r
		}
	}
	return v
}

// maxShown is how many things of each outcome are named.
const maxShown = 10

// printJournal sums up a journal, and names what is not done.
func printJournal(w io.Writer, j *fleet.Journal) {
	c := j.Count()
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(c.Outcomes)) {
		parts = append(parts, fmt.Sprintf("%d %s", c.Outcomes[outcome], outcome))
	}
	if c.Left > 0 {
		parts = append(parts, fmt.Sprintf("%d not begun or not ended", c.Left))
	}
	printable.Fprintf(w, "of %d things: %s\n", c.Total, strings.Join(parts, ", "))
	shown := map[client.Outcome]int{}
	for _, t := range j.Header.Targets {
		r, ok := j.Result(t.Thing)
		if !ok || r.Outcome == client.Done {
			continue
		}
		switch shown[r.Outcome]++; {
		case shown[r.Outcome] <= maxShown:
			printable.Fprintf(w, "  %s  %v\n", t.Thing, r)
		case shown[r.Outcome] == maxShown+1:
			printable.Fprintf(w, "  … and %d more %s; fleet show --json has them all\n", c.Outcomes[r.Outcome]-maxShown, r.Outcome)
		}
	}
}

const fleetResumeText = `shadowctl fleet resume takes up a change that was stopped, interrupted or killed. Nothing is
desired twice: what was sent already is only waited for, but for what --retry overruled takes up.
Canaries that were not judged yet go before the others again.` + railsText

func fleetResumeCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "resume JOURNAL", Short: "take up a change that has not ended", Long: fleetResumeText, Args: command.Arguments(1, 1, "one JOURNAL")}
	o := fleetFlags(c, env, 50)
	rails, check := railFlags(c)
	retry := c.Flags().StringSlice("retry", nil, "also things with these `OUTCOMES`: unanswered, refused, overruled, skipped")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		err := errors.Join(o.check(), check())
		for _, outcome := range *retry {
			if !slices.Contains([]string{"unanswered", "refused", "overruled", "skipped"}, outcome) {
				err = errors.Join(err, fmt.Errorf("--retry: want some of unanswered, refused, overruled, skipped, got %q", outcome))
			}
			rails.Retry = append(rails.Retry, client.Outcome(outcome))
		}
		if err != nil {
			printable.Fprintln(env.Stderr, "shadowctl fleet resume:", err)
			return command.Usage
		}
		j, err := o.openJournal(ctx, args[0])
		if err != nil {
			return fail(env, err)
		}
		defer j.Close()
		s, err := o.connect(ctx)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		return o.carryOut(ctx, s, j, *rails)
	})
	return c
}

// openJournal opens a journal of a change at the place that the options name.
func (o *fleetOptions) openJournal(ctx context.Context, path string) (*fleet.Journal, error) {
	j, err := fleet.Open(path)
	if err != nil {
		return nil, err
	}
	where, err := o.where(ctx)
	if err == nil && where != j.Header.Where {
		err = fmt.Errorf("%s is about %s, the options name %s", path, j.Header.Where, where)
	}
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

const fleetUndoText = `shadowctl fleet undo desires what was desired before a change, of all things that were
changed or may have been. Things of which somebody has desired something else since are
left as they are. It is a change with a journal of its own.` + railsText

func fleetUndoCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "undo JOURNAL", Short: "take back a change", Long: fleetUndoText, Args: command.Arguments(1, 1, "one JOURNAL")}
	o := fleetFlags(c, env, 50)
	rails, check := railFlags(c)
	canaries := canaryFlag(c)
	yes := c.Flags().Bool("yes", false, "do not ask")
	journal := c.Flags().String("journal", "", "new `FILE` for the journal; else ~/.local/state/shadowgpio/fleet")
	c.RunE = command.Ends(func(ctx context.Context, args []string) int {
		_, wrong := canaries(0)
		if err := errors.Join(o.check(), check(), wrong); err != nil {
			printable.Fprintln(env.Stderr, "shadowctl fleet undo:", err)
			return command.Usage
		}
		j, err := o.openJournal(ctx, args[0])
		if err != nil {
			return fail(env, err)
		}
		h := fleet.Header{At: time.Now().UTC(), Where: j.Header.Where, Shadow: j.Header.Shadow, Undoes: j.Path(), Targets: j.Undo()}
		if err := j.Close(); err != nil {
			return fail(env, err)
		}
		if len(h.Targets) == 0 {
			printable.Fprintln(env.Stdout, "nothing was changed, there is nothing to undo")
			return command.OK
		}
		if !*yes && !o.agreed(ctx, fmt.Sprintf("Desire what was desired before of %d things?", len(h.Targets))) {
			return fail(env, errors.New("nothing was changed; --yes agrees without being asked"))
		}
		if h.Canaries, err = canaries(len(h.Targets)); err != nil {
			return fail(env, err)
		}
		s, err := o.connect(ctx)
		if err != nil {
			return fail(env, err)
		}
		defer s.Close()
		return o.begin(ctx, s, *journal, h, *rails)
	})
	return c
}

const fleetShowText = `shadowctl fleet show sums up the journal of a change, also of one that goes on.

Exit codes: 0; 1 failed; 2 wrong usage.`

func fleetShowCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "show JOURNAL", Short: "sum up a change", Long: fleetShowText, Args: command.Arguments(1, 1, "one JOURNAL")}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = command.Ends(func(_ context.Context, args []string) int {
		j, err := fleet.Look(args[0])
		if err != nil {
			return fail(env, err)
		}
		defer j.Close()
		if *asJSON {
			return printJSON(env, journalView(j))
		}
		printable.Fprintf(env.Stdout, "begun %s, in %s\n", j.Header.At.Local().Format(time.DateTime), j.Header.Where)
		printJournal(env.Stdout, j)
		return command.OK
	})
	return c
}
